"""Scrape configuration, alerts and dashboard: well-formed, and about figures that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.metrics.catalogue import CATALOGUE, Kind
from adapters.metrics.instruments import WEBHOOK_OUTCOMES
from adapters.settings import Settings
from cli.reference import metrics_table

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
SCRAPE: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "sonoloop.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

PROMTOOL = shutil.which("promtool")
PROMETHEUS_OWN = {"up", "process_resident_memory_bytes"}
NAME = re.compile(r"\b(?:sonoloop|process)_[a-z_]+\b|\bup\b")
SELECTOR = re.compile(r'(\w+)(?:!=|=~|=)"')
PARTS = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.COUNTER: ("",), Kind.GAUGE: ("",)}
FAMILY_OF = {name + part: name for name, spec in CATALOGUE.items() for part in PARTS[spec.kind]}


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression with where it stands."""
    yield from ((f"alert {rule['alert']}", rule["expr"]) for rule in ALERTS)
    for panel in PANELS:
        yield from ((f"panel {panel['title']}", target["expr"]) for target in panel["targets"])


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_an_expression_asks_for_figures_and_labels_that_exist(where: str, expression: str) -> None:
    names = set(NAME.findall(re.sub(r'"[^"]*"', '""', expression)))
    assert names, where
    assert names - FAMILY_OF.keys() - PROMETHEUS_OWN == set()
    known = {label for name in names & FAMILY_OF.keys() for label in CATALOGUE[FAMILY_OF[name]].labels}
    groups = ",".join(re.findall(r"by \(([^)]*)\)", expression))
    grouped = {word.strip() for word in groups.split(",")} - {""}
    assert {*SELECTOR.findall(expression), *grouped} <= known | {"le", "job"}


def test_every_figure_is_looked_at_by_somebody_or_counts_something_that_is() -> None:
    asked = {FAMILY_OF[name] for _, each in expressions() for name in NAME.findall(each) if name in FAMILY_OF}
    rarely = {
        "sonoloop_counts_age_seconds",
        "sonoloop_frames",
        "sonoloop_inbox_pending",
        "sonoloop_outbox_pending",
        "sonoloop_taught_labels",
        "sonoloop_loaded_version",
        "sonoloop_mirrored_annotations_total",
    }
    assert set(CATALOGUE) - asked == rarely


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_saw_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"].endswith(".")
    assert len(rule["annotations"]["todo"]) > 30
    assert f"| `{rule['alert']}` |" in PAGE


def test_the_alert_about_forged_webhooks_hears_of_no_other_trouble_and_another_one_of_all_the_rest() -> None:
    asked = {
        rule["alert"]: set(found[1].split("|"))
        for rule in ALERTS
        if (found := re.search(r'webhook_events_total\{outcome=~?"([^"]+)"', rule["expr"]))
    }
    assert asked.pop("WebhooksRefused") == {"refused"}
    assert asked == {"WebhooksNotTaken": set(WEBHOOK_OUTCOMES) - {"received", "known", "ignored", "refused"}}


def test_only_services_of_ours_are_asked_and_all_that_show_figures_are() -> None:
    jobs = SCRAPE["scrape_configs"]
    fixed = [target for job in jobs for each in job.get("static_configs", ()) for target in each["targets"]]
    found = [each for job in jobs for each in job.get("dns_sd_configs", ())]
    asked = dict(target.split(":") for target in fixed)
    asked |= {name: str(each["port"]) for each in found for name in each["names"]}
    ours = {name for name in COMPOSE["services"] if name == "backend" or name.startswith("worker-")}
    assert set(asked) == ours
    assert asked.pop("backend") == "9090"
    assert set(asked.values()) == {"9100"}


def test_the_scraper_has_the_backends_account_and_no_password_of_its_own() -> None:
    accounts = [job["basic_auth"] for job in SCRAPE["scrape_configs"]]
    assert {each["username"] for each in accounts} == {Settings.model_fields["backend_user"].default}
    assert all(set(each) == {"username", "password_file"} for each in accounts)


def test_alerts_ask_for_jobs_that_are_scraped() -> None:
    scraped = {job["job_name"] for job in SCRAPE["scrape_configs"]}
    asked = {job for _, each in expressions() for job in re.findall(r'job="([^"]+)"', each)}
    assert asked <= scraped


def test_the_dashboard_is_laid_out_without_overlaps_and_every_panel_explains_itself() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= own
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)


def test_the_dashboard_finds_its_source_and_its_variable() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    uids = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert uids == {source["uid"]}
    (variable,) = DASHBOARD["templating"]["list"]
    used = {name for _, each in expressions() for name in re.findall(r"\$(\w+)", each) if name != "labels"}
    assert used == {variable["name"]}
    (provider,) = yaml.safe_load((folder / "dashboards" / "sonoloop.yml").read_text())["providers"]
    assert provider["type"] == "file"


def test_the_page_holds_the_table_that_the_program_prints() -> None:
    assert metrics_table() in PAGE, "put in what `python -m cli.reference` prints"


if PROMTOOL is not None:  # the tests above read the same files; a server is not installed for its checker

    def test_prometheus_itself_accepts_the_configuration_and_the_rules(tmp_path: Path) -> None:
        (tmp_path / "backend_password").write_text("x")
        shutil.copy(DEPLOY / "alerts.yml", tmp_path)
        text = (DEPLOY / "prometheus.yml").read_text().replace("/etc/prometheus", str(tmp_path))
        (tmp_path / "prometheus.yml").write_text(text)
        check = (str(PROMTOOL), "check", "config", str(tmp_path / "prometheus.yml"))
        assert subprocess.run(check, check=False).returncode == 0
