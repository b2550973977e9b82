from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adapters.services.control import ServiceStatus
from cli.status import HomeStatus, ProjectStatus, describe_progress, describe_round, render
from loop.records import Project, Round, RoundState, Verdict
from tests.services.homes import make_settings

UP = (ServiceStatus("redis", "running", 1, 5.0), ServiceStatus("backend", "starting"))
DOWN = (ServiceStatus("redis", "stopped"), ServiceStatus("backend", "stopped"))
ROUND = Round(
    id=1,
    project_id=1,
    number=1,
    state=RoundState.TRAINING,
    reason="20 new masks",
    seed=1,
    attempt=1,
    lease_until=None,
    label_count=20,
    training_set_digest=None,
    candidate_id=None,
    base=None,
    is_cancel_requested=False,
    progress={},
    verdict=None,
    error=None,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    finished_at=None,
)


def shown(home: HomeStatus) -> str:
    console = Console(width=140, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(render(make_settings(Path("somewhere")), home))
    return capture.get()


def project(**changes: Any) -> ProjectStatus:
    made = Project(1, "Arm [veins]", ("Vein", "Artery"))
    return replace(ProjectStatus(made, "p1-v0", 30, 21, {"accepted": 15, "fixed": 6}, 0, ()), **changes)


def test_stopped_services_come_with_the_command_that_starts_them() -> None:
    text = shown(HomeStatus(DOWN))
    assert "redis stopped" in text
    assert "./sonoloop up" in text
    assert "address" not in text


def test_running_services_come_with_address_and_login() -> None:
    text = shown(HomeStatus(UP, [project()]))
    assert "http://127.0.0.1:9 " in text
    assert "admin@sonoloop.local" in text


def test_a_failed_service_says_why() -> None:
    text = shown(HomeStatus((ServiceStatus("backend", "failed", detail="exited too quickly"),)))
    assert "backend: exited too quickly" in text


def test_a_home_without_a_project_says_how_to_make_one() -> None:
    assert "up --frames DIR" in shown(HomeStatus(UP))


def test_a_silent_database_is_named_and_the_services_are_shown_still() -> None:
    text = shown(HomeStatus(UP, problem="got a database that does not answer"))
    assert "does not answer" in text
    assert "redis running" in text
    assert "up --frames" not in text


def test_labels_are_counted_by_decision_and_brackets_in_a_title_stay() -> None:
    text = shown(HomeStatus(UP, [project()]))
    assert "Arm [veins] (Vein, Artery), served by p1-v0" in text
    assert "21 of 30 frames labelled (15 accepted, 6 fixed)" in text


def test_what_needs_a_person_is_counted() -> None:
    text = shown(HomeStatus(UP, [project(for_review=2)], set_aside=3))
    assert "2 frames skipped by two readers" in text
    assert "inputs set aside: 3" in text


def test_a_round_in_progress_shows_epoch_loss_dice_and_time_to_go() -> None:
    progress = {
        "phase": "training",
        "epoch": 3,
        "epochs": 7,
        "loss": 0.4567,
        "dice": 0.8,
        "eta_seconds": 41.6,
    }
    text = shown(HomeStatus(UP, [project(rounds=(replace(ROUND, progress=progress),))]))
    assert "training, epoch 3/7, loss 0.457, Dice 0.800, 42 s to go" in text


def test_a_round_that_has_not_begun_shows_why_it_was_planned() -> None:
    assert describe_round(ROUND) == "20 new masks"


def test_a_round_that_is_to_stop_says_so() -> None:
    assert describe_round(replace(ROUND, is_cancel_requested=True)) == "is being cancelled"


def test_an_ended_round_shows_its_verdict_or_its_error() -> None:
    verdict = Verdict(True, False, "P = 0.93", {})
    assert describe_round(replace(ROUND, state=RoundState.PROMOTED, verdict=verdict)) == "P = 0.93"
    assert describe_round(replace(ROUND, state=RoundState.FAILED, error="out of memory")) == "out of memory"


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        ({}, ""),
        ({"phase": "preparing"}, "preparing"),
        ({"epoch": 1, "epochs": 2, "loss": None}, "epoch 1/2"),
    ],
)
def test_only_what_is_known_is_said(progress: dict[str, Any], words: str) -> None:
    assert describe_progress(progress) == words
