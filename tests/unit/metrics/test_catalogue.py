"""Names that Prometheus' tools and people can rely on, and pages only for whoever may read them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from adapters.metrics.catalogue import CATALOGUE, Kind, Shown
from adapters.metrics.exposition import guarded
from adapters.metrics.instruments import BackendMetrics, ModelMetrics, WorkerMetrics, new_registry
from adapters.throttle import REFUSALS, Throttle

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


def test_whoever_guesses_at_a_workers_page_is_told_to_wait_while_others_are_heard() -> None:
    app = guarded(new_registry(), "label-studio", "secret", Throttle(lambda: 0.0))
    right = "Basic " + b64encode(b"label-studio:secret").decode()
    guesses = [ask_app(app, f"Basic {number}", "/metrics", "10.0.0.1") for number in range(REFUSALS + 1)]
    assert guesses == ["401"] * REFUSALS + ["429"]
    assert ask_app(app, right, "/metrics", "10.0.0.1") == "429"
    for given, status in ((right, "200"), ("", "401"), (right, "200")):
        assert ask_app(app, given, "/metrics", "10.0.0.2") == status


def ask(password: str, authorization: str, path: str) -> str:
    return ask_app(guarded(new_registry(), "label-studio", password), authorization, path, "127.0.0.1")


def ask_app(app: Callable[..., Iterable[bytes]], authorization: str, path: str, address: str) -> str:
    answers: list[str] = []

    def start_response(status: str, *_: Any) -> None:
        answers.append(status.split()[0])

    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "REMOTE_ADDR": address}
    list(app({**environ, "HTTP_AUTHORIZATION": authorization}, start_response))
    return answers[0]
