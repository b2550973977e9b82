"""The demo reads until a round must begin, and waits no earlier."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from adapters.bootstrap import Container, build
from cli.demo_report import RoundRow
from cli.demo_rounds import Demo, _describe
from cli.simulated import FrameRead
from loop.reader import ReaderMove
from loop.records import NewFrame
from loop.training_records import Verdict
from tests.services.homes import make_settings
from trainer.metrics import score

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
SERVED = "HTHTT"
"""Held-out frames and frames that teach, in the order they are served."""


@dataclass
class PlanningReader:
    """Reads what is served; with the second frame that teaches, a round is planned as by the sweeper."""

    container: Container
    project_id: int
    read: int = 0

    def read_next(self) -> FrameRead:
        self.read += 1
        if SERVED[: self.read].count("T") == 2 and SERVED[self.read - 1] == "T":
            with self.container.database.write() as uow:
                uow.rounds.add(self.project_id, reason="2 new", seed=1, label_count=self.read, now=NOW)
                uow.commit()
        return FrameRead(f"{self.read - 1:064x}", ReaderMove.DRAW)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    with closing(build(make_settings(tmp_path))) as container:
        yield container


def test_frames_that_start_no_round_are_read_without_waiting_for_one(
    container: Container, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wait(_: float) -> None:
        pytest.fail("waits for a round that cannot be due yet")

    with container.database.write() as uow:
        project = uow.projects.add("Demo", ["vein"], {"min_new_labels": 2})
        frames = [
            NewFrame(f"{number:064x}", 100, 80, f"clip{number}", None, is_held_out=kind == "H")
            for number, kind in enumerate(SERVED)
        ]
        uow.frames.add(project.id, frames, NOW)
        uow.commit()
    monkeypatch.setattr("cli.demo_rounds.time.sleep", wait)
    reader: Any = PlanningReader(container, project.id)
    live = Demo(container, project.id, reader, {})._read_until_planned(Progress())
    assert live is not None
    assert reader.read == 4
    assert capsys.readouterr().out == "the simulated reader reads\n", "no bar shows it here"


@pytest.mark.parametrize(
    ("outcome", "reason", "said"),
    [
        (
            "promoted",
            "promoted unproven: no model was in service",
            "promoted unproven: no model was in service",
        ),
        (
            "rejected",
            "kept: no held-out frame is labelled yet",
            "rejected: kept: no held-out frame is labelled yet",
        ),
    ],
)
def test_the_line_on_an_ended_round_says_its_outcome_once(outcome: str, reason: str, said: str) -> None:
    row = RoundRow(1, "p1-v1", 20, None, 0, score([]), outcome, reason, None, 90.0)
    assert _describe(row) == f"round 1: 20 labels, held-out Dice –, {said}"


def test_a_verdict_of_several_classes_from_before_shows_no_acc_beside_todays(container: Container) -> None:
    older = {"dice": 0.5, "dice_by_class": [0.4, 0.6], "miou": 0.485, "acc": 0.97}
    with container.database.write() as uow:
        project = uow.projects.add("Demo", ["vein", "nerve"], {})
        planned = uow.rounds.add(project.id, reason="2 new", seed=1, label_count=2, now=NOW)
        uow.commit()
    reader: Any = None
    verdict = Verdict(True, False, "promoted", {"frames": 3, "candidate": older})
    row = Demo(container, project.id, reader, {})._row(replace(planned, verdict=verdict))
    assert row.gate == {**older, "miou": None, "acc": None}
