"""What the suites do to either Label Studio."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from loop.remote import NewPrediction, RemoteTask
from tests.contract.label_studio.stages import VEIN, Stage


def frames(count: int) -> list[dict[str, str]]:
    digests = [f"{number:064x}" for number in range(count)]
    return [{"image": f"/data/local-files/?d=all/{digest}.png", "frame": digest} for digest in digests]


def changed(stage: Stage, project: int, *, after: RemoteTask | None = None) -> list[int]:
    since = after.updated_at + timedelta(microseconds=1) if after else None
    return [task.id for task in stage.studio.tasks_changed_since(project, since)]


def push(stage: Stage, project: int, tasks: Sequence[int], version: str, scores: Sequence[float]) -> None:
    new = [
        NewPrediction(*pair, result=VEIN) for pair in zip(tasks, [version] * len(tasks), scores, strict=True)
    ]
    stage.studio.push_predictions(project, new)
