"""Figures for which every frame of a project is looked at: counted now and then, given again in between."""

from __future__ import annotations

import time
from collections.abc import Callable

from loop.planning import count_labels
from loop.ports import UnitOfWork
from loop.records import Decision, Project
from loop.training_records import RoundState

SHARE = 300
"""Counting may take one part in so many of the time: on a small home it is always fresh."""
MOST_SECONDS = 300.0

Sample = tuple[str, float | None, tuple[object, ...]]
"""A figure's name, its value (None: it has none) and its labels."""


class Counts:
    """What was counted last: kept for 300 times as long as the counting took, five minutes at most, and not
    beyond a change of the projects or of what serves in them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: list[tuple[int, int | None]] = []
        self._counted = self._until = 0.0
        self._samples: list[Sample] = []

    def look(self, uow: UnitOfWork) -> list[Sample]:
        """All samples, their age among them."""
        projects = uow.projects.list()
        of = [(project.id, project.champion_id) for project in projects]
        if of != self._of or self._clock() >= self._until:
            begun = self._clock()
            self._samples = [sample for project in projects for sample in _count(uow, project)]
            self._of, self._counted = of, self._clock()
            self._until = self._counted + min(MOST_SECONDS, SHARE * (self._counted - begun))
        return [*self._samples, ("sonoloop_counts_age_seconds", self._clock() - self._counted, ())]


def _count(uow: UnitOfWork, project: Project) -> list[Sample]:
    found = uow.figures.frames(project.id, project.champion_id)
    counts = count_labels(uow, project.id)
    unread = found.unread if project.champion_id is not None else None
    samples: list[Sample] = [
        ("sonoloop_labels", found.labels.get(decision, 0), (project.id, decision.value.replace(" ", "_")))
        for decision in Decision
        if decision is not Decision.DELETED
    ]
    return [
        *samples,
        ("sonoloop_frames", uow.frames.count(project.id), (project.id,)),
        ("sonoloop_taught_labels", counts.at_last_round, (project.id,)),
        ("sonoloop_new_labels", counts.new, (project.id,)),
        ("sonoloop_unread_frames", unread, (project.id,)),
        ("sonoloop_label_to_champion_seconds", _label_to_champion(uow, project), (project.id,)),
    ]


def _label_to_champion(uow: UnitOfWork, project: Project) -> float | None:
    promoted = uow.rounds.newest(project.id, [RoundState.PROMOTED])
    if promoted is None or promoted.finished_at is None:
        return None
    newest = uow.figures.newest_label(promoted.training_set_digest or "")
    return None if newest is None else (promoted.finished_at - newest).total_seconds()
