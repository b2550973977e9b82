"""Names that Prometheus' tools and people can rely on, and pages only for whoever may read them."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from adapters.metrics.catalogue import CATALOGUE, Kind, Shown
from adapters.metrics.exposition import guarded
from adapters.metrics.instruments import BackendMetrics, ModelMetrics, WorkerMetrics, new_registry

UNITS = re.compile(r"_(seconds|bytes|total)$")


def test_every_figure_of_a_process_is_in_the_catalogue_and_the_other_way_round() -> None:
    registry = new_registry()
    groups = [ModelMetrics(registry), BackendMetrics(registry), WorkerMetrics(registry)]
    made = [each for group in groups for each in vars(group).values()]
    assert all(isinstance(each, MetricWrapperBase) for each in made)
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for each in made
        for family in each.describe()
    }
    assert names == {name for name, spec in CATALOGUE.items() if spec.shown is not Shown.HOME}


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_name_follows_the_conventions_of_prometheus(name: str) -> None:
    spec = CATALOGUE[name]
    assert re.fullmatch(r"sonoloop_[a-z_]+", name)
    assert name.endswith("_total") == (spec.kind is Kind.COUNTER)
    assert bool(spec.buckets) == (spec.kind is Kind.HISTOGRAM)
    assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)", name)
    assert UNITS.search(name) or spec.kind is Kind.GAUGE
    assert spec.meaning.endswith(".")


@pytest.mark.parametrize(
    ("given", "path", "status"),
    [
        ("", "/metrics", "401"),
        ("Basic " + b64encode(b"label-studio:wrong").decode(), "/metrics", "401"),
        ("Basic ü", "/metrics", "401"),
        ("Basic " + b64encode(b"label-studio:secret").decode(), "/metrics", "200"),
        ("Basic " + b64encode(b"label-studio:secret").decode(), "/", "404"),
    ],
)
def test_a_worker_shows_its_figures_to_whoever_has_name_and_password(
    given: str, path: str, status: str
) -> None:
    assert ask("secret", given, path) == status


def test_an_empty_password_opens_nothing() -> None:
    assert ask("", "Basic " + b64encode(b"label-studio:").decode(), "/metrics") == "401"


def ask(password: str, authorization: str, path: str) -> str:
    answers: list[str] = []

    def start_response(status: str, *_: Any) -> None:
        answers.append(status.split()[0])

    environ = {"HTTP_AUTHORIZATION": authorization, "PATH_INFO": path, "REQUEST_METHOD": "GET"}
    list(guarded(new_registry(), "label-studio", password)(environ, start_response))
    return answers[0]
