"""The doctor where Docker Compose or Kubernetes runs the services."""

from __future__ import annotations

import re

import pytest

from adapters.home_files import SECRETS_FILE, read_env_file, remember_settings
from adapters.services.secrets import DRAW
from adapters.settings import Settings
from cli.doctor.deployment import for_deployment
from cli.doctor.findings import State
from cli.doctor.services import START
from tests.conftest import ROOT
from tests.integration.doctor.homes import failing, found
from tests.machine import free_port


@pytest.fixture
def deployed(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Its secrets are variables of the container; nothing answers at its addresses."""
    remember_settings(
        home.root,
        {
            "services": "elsewhere",
            "redis_url": f"redis://127.0.0.1:{free_port()}/0",
            "backend_url": f"http://127.0.0.1:{free_port()}",
            "label_studio_url": f"http://127.0.0.1:{free_port()}",
        },
    )
    for name, value in read_env_file(home.root / SECRETS_FILE).items():
        if name != "LABEL_STUDIO_SECRET_KEY":
            monkeypatch.setenv(name, value)
    (home.root / SECRETS_FILE).unlink()
    return home


def test_secrets_that_are_variables_are_well(deployed: Settings) -> None:
    finding = found(deployed)["secrets"]
    assert (finding.state, finding.got) == (State.OK, "5 secrets from the environment")


@pytest.mark.parametrize("name", sorted(name for name in DRAW if name.startswith("SONOLOOP_")))
def test_a_variable_that_is_missing_is_named(
    deployed: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    said = failing(deployed, "secrets")
    assert name in said
    assert not [other for other in DRAW if other != name and other in said]
    assert "./sonoloop up" not in said


def test_a_file_of_secrets_is_taken_there_too_but_not_when_others_may_read_it(home: Settings) -> None:
    remember_settings(home.root, {"services": "elsewhere"})
    assert found(home)["secrets"].state is State.OK
    (home.root / SECRETS_FILE).chmod(0o644)
    assert "mode 644" in failing(home, "secrets")


def test_no_line_tells_to_start_or_to_look_at_services_that_are_not_here(deployed: Settings) -> None:
    findings = found(deployed)
    failed = {name for name, each in findings.items() if each.state is State.FAIL}
    assert {"redis", "ml backend"} <= failed
    for name in ("redis", "ml backend"):
        assert "docker compose ps, or kubectl get pods" in findings[name].todo
    assert not [name for name, each in findings.items() if "./sonoloop up" in each.todo]
    assert not [name for name, each in findings.items() if "./sonoloop logs" in each.todo]


def test_every_advice_of_the_doctor_has_words_for_a_deployment() -> None:
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "cli" / "doctor").glob("*.py")))
    advice = re.findall(r'"([^"\n]*\./sonoloop (?:up|down|logs)[^"\n]*)"', sources)
    assert len(advice) > 20
    told = [for_deployment(each) for each in advice if r"\./" not in each]
    assert not [each for each in told if re.search(r"\./sonoloop (?:up|down|logs)|  |\\", each)]
    assert "docker compose logs worker-light, or kubectl logs, says why" in " ".join(told)
    assert for_deployment(START).endswith("docker compose logs, or kubectl logs, says why it ended")


def test_the_services_that_are_named_are_those_of_the_deployment() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for ours in ("redis", "worker-light", "worker-train", "beat", "backend", "label-studio"):
        named = re.search(r"compose logs ([a-z-]+)", for_deployment(f"./sonoloop logs {ours} says why"))
        assert named is not None
        assert f"\n  {named[1]}:" in compose
