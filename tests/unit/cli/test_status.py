from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from adapters.services.control import ServiceStatus
from adapters.services.secrets import ensure_secrets
from cli.app import app
from cli.round_words import describe_progress, describe_round, with_state
from cli.status import (
    HomeStatus,
    ProjectStatus,
    read_project,
    render,
    show,
)
from db import SqlDatabase, open_database
from loop.gate import judge
from loop.outcomes import FrameOutcome
from loop.planning import HANDED_BACK
from loop.records import Decision, NewFrame, Project
from loop.training_records import Round, RoundState, Verdict
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
    lease_until=datetime(2026, 1, 1, tzinfo=UTC),
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


EPOCH = {"phase": "training", "epoch": 1, "epochs": 7, "loss": 0.674, "eta_seconds": 480.0}
AGAIN = replace(ROUND, attempt=2, progress=EPOCH)


def shown(home: HomeStatus, width: int = 140, folder: str = "somewhere") -> str:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        show(console, render(make_settings(Path(folder)), home))
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


def test_a_database_that_cannot_be_read_is_no_success_and_hides_no_service(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "sonoloop.sqlite3").write_bytes(b"no database" * 1000)
    done = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert done.exit_code == 1
    assert "the database cannot be read" in done.output
    assert "redis stopped" in done.output


def test_labels_are_counted_by_decision_and_brackets_in_a_title_stay() -> None:
    text = shown(HomeStatus(UP, [project()]))
    assert "Arm [veins] (Vein, Artery), served by p1-v0" in text
    assert "21 of 30 frames labelled (15 accepted, 6 fixed)" in text


def test_skipped_frames_stand_apart_from_the_labelled_ones() -> None:
    assert "(15 accepted, 6 fixed; 2 skipped)" in shown(HomeStatus(UP, [project(skipped=2)]))
    assert "(2 skipped)" in shown(HomeStatus(UP, [project(decisions={}, skipped=2)]))
    assert "(nothing read yet)" in shown(HomeStatus(UP, [project(decisions={})]))


def test_classes_that_the_model_never_saw_are_named() -> None:
    text = shown(HomeStatus(UP, [project(untaught=("Artery",))]))
    assert "no Artery in what p1-v0 learned from: it draws none" in text
    assert "learned from" not in shown(HomeStatus(UP, [project()]))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqlDatabase]:
    with closing(open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}")) as opened:
        yield opened


def test_each_frame_is_counted_once_whatever_its_readers_did(database: SqlDatabase) -> None:
    read = {
        0: (Decision.ACCEPTED, Decision.FIXED),
        1: (Decision.SKIPPED, Decision.NO_VEIN),
        2: (Decision.SKIPPED, Decision.SKIPPED),
        3: (Decision.DELETED,),
    }
    when = datetime(2026, 1, 1, tzinfo=UTC)
    with database.write() as uow:
        made = uow.projects.add("Arm", ["vein"], {})
        new = [NewFrame(f"{number:064x}", 8, 8, f"clip{number}", None, False) for number in range(5)]
        frames = uow.frames.add(made.id, new, when)
        marks = [(frames[number], each) for number, decisions in read.items() for each in decisions]
        for number, (frame, decision) in enumerate(marks):
            uow.masks.append(
                frame_id=frame.id,
                annotation_id=number,
                updated_at=when + timedelta(seconds=number),
                reader_id=None,
                decision=decision,
                mask_digest="0" * 64 if decision.is_trainable else None,
                seconds=None,
                proposal_id=None,
                dice_to_proposal=None,
                is_simulated=True,
                now=when,
            )
        uow.commit()
    with database.read() as uow:
        counted = read_project(uow, made)
    assert (counted.frames, counted.labelled, counted.skipped) == (5, 2, 1)
    assert counted.decisions == {"fixed": 1, "no vein": 1}


def test_a_project_with_nothing_held_out_is_told_to_get_more_recordings(database: SqlDatabase) -> None:
    when, found = datetime(2026, 1, 1, tzinfo=UTC), []
    with database.write() as uow:
        made = uow.projects.add("Arm", ["vein"], {})
        for number, is_held_out in enumerate((False, True)):
            new = NewFrame(f"{number:064x}", 8, 8, f"clip{number}", None, is_held_out)
            uow.frames.add(made.id, [new], when)
            found.append(read_project(uow, made))
        uow.commit()
    before, after = (shown(HomeStatus(UP, [each])) for each in found)
    assert "no recording is held out" in before
    assert "./sonoloop add brings more recordings" in before
    assert "held out" not in after


def test_a_verdict_shows_the_dice_of_each_of_several_classes() -> None:
    names = ("class", "champion", "candidate", "delta")
    classes = [("Vein", 0.7, 0.9, 0.2), ("Artery", 0.7, 0.5, -0.2), ("Nerve", None, None, None)]
    by_class = [dict(zip(names, each, strict=True)) for each in classes]
    verdict = Verdict(False, False, "kept: Artery is worse", {"by_class": by_class})
    ended = replace(ROUND, state=RoundState.REJECTED, verdict=verdict)
    expected = "kept: Artery is worse; Dice by class: Vein 0.700 to 0.900, Artery 0.700 to 0.500"
    assert describe_round(ended) == expected
    alone = replace(ended, verdict=replace(verdict, figures={"by_class": by_class[:1]}))
    assert describe_round(alone) == "kept: Artery is worse"


def test_addresses_and_paths_are_not_broken_in_a_narrow_terminal() -> None:
    folder = "a place with a name/that is longer than any line of such a terminal can be"
    text = shown(HomeStatus(UP, [project()]), width=40, folder=folder)
    assert str(make_settings(Path(folder)).root / "secrets.env") in text


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


def test_a_line_on_a_round_says_its_state_once() -> None:
    """As the gate really words it; "rejected" is no word of its verdicts."""
    counts = (np.array([each]) for each in (150, 25, 25, 800))
    candidate = [FrameOutcome(1, "clip", *counts)]
    verdicts = {"promoted": judge(candidate, None, seed=1), "rejected": judge(candidate, candidate, seed=1)}
    said = {
        state: with_state(state, describe_round(replace(ROUND, state=RoundState(state), verdict=verdict)))
        for state, verdict in verdicts.items()
    }
    assert said["promoted"] == "promoted unproven: no model was in service"
    assert said["rejected"].startswith("rejected: kept unproven: only 1 held-out frames")
    assert with_state("training", describe_round(replace(AGAIN, attempt=1))).startswith("training, epoch 1/7")


def test_a_cancelled_round_shows_neither_its_progress_nor_an_older_error() -> None:
    ended = replace(AGAIN, state=RoundState.CANCELLED, is_cancel_requested=True, lease_until=None)
    assert describe_round(ended) == "cancelled by hand"
    assert describe_round(replace(ended, error="a crash")) == "cancelled by hand"


def test_a_failed_round_without_an_error_says_where_to_look() -> None:
    assert "logs worker-train" in describe_round(replace(AGAIN, state=RoundState.FAILED))


def test_a_later_attempt_shows_its_number_and_why_there_was_one_before() -> None:
    doing = "training, epoch 1/7, loss 0.674, 480 s to go"
    assert describe_round(replace(AGAIN, attempt=1)) == doing
    assert describe_round(AGAIN) == f"attempt 2, {doing}"
    assert describe_round(replace(AGAIN, error="no memory")) == f"attempt 2 (before it: no memory), {doing}"


def test_between_two_attempts_a_round_waits() -> None:
    waiting = replace(AGAIN, attempt=1, lease_until=None, error="no memory")
    assert describe_round(waiting) == "attempt 2 (before it: no memory), waiting for a worker"


def test_an_attempt_that_was_handed_back_is_not_counted() -> None:
    back = {**EPOCH, HANDED_BACK: 1}
    assert describe_round(replace(AGAIN, progress=back)).startswith("training, epoch 1/7")
    waiting = replace(AGAIN, attempt=1, lease_until=None, progress=back)
    assert describe_round(waiting) == "waiting for a worker"


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


def test_counts_are_told_as_people_say_them_and_empty_frames_by_no_class() -> None:
    text = shown(HomeStatus(UP, [project(for_review=1, frames=1, labelled=1, decisions={"no vein": 1})]))
    assert "1 frame skipped by two readers" in text
    assert "1 of 1 frame labelled (1 empty)" in text
