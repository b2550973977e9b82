"""What the steps of following a champion share: ports, rules, and the run in progress, under its lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loop.leases import Lease
from loop.ports import BrushCodec, Clock, Database, Images, LabelStudio, Sampler, Segmenters, Storage
from loop.ranking import QueueRule
from loop.records import Frame, ModelVersion, Prediction, Project


@dataclass(frozen=True)
class PreannotatePorts:
    """What drawing and pushing predictions needs.

    `first_sampler` orders a pool with no label yet, later `sampler_of(version)` does, by the number of the
    version that serves: what it does not know well at first must not choose all that it learns from.
    """

    database: Database
    storage: Storage
    label_studio: LabelStudio
    codec: BrushCodec
    clock: Clock
    images: Images
    segmenters: Segmenters
    sampler_of: Callable[[int], Sampler]
    first_sampler: Sampler


@dataclass(frozen=True)
class PreannotateRules:
    """How predictions follow the champion.

    `strategy` names the uncertainty; `score_limit` frames are scored and the best-ranked `push_limit` pushed
    before Label Studio switches; the rest follows in batches of `push_limit`. Others wait `lease_seconds`
    for a run that was killed.
    """

    strategy: str = "boundary-entropy"
    score_limit: int = 2000
    push_limit: int = 500
    queue: QueueRule = field(default_factory=QueueRule)
    seed: int = 0
    lease_seconds: float = 30.0


@dataclass(frozen=True)
class Progress:
    """How far a step ("scoring" or "pushing") has come, in frames."""

    step: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
Placed = tuple[Prediction, Frame]
"""A prediction that has a place in the queue, with its frame."""


class Overtaken(Exception):
    """Another version has come into service: stop and begin with that one."""


@dataclass(frozen=True)
class Run:
    """One champion being followed.

    `placed` are its predictions that have a place, by frame, read once when the run begins and kept up with
    what it does: nobody else gives places, and a large project is not read again for each part of it. `held`
    are the tasks that Label Studio holds a prediction of it for; `broken` the frames that could not be drawn.
    """

    ports: PreannotatePorts
    rules: PreannotateRules
    project: Project
    remote_id: int
    version: ModelVersion
    lease: Lease
    on_progress: OnProgress
    placed: dict[int, Placed] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    broken: set[int] = field(default_factory=set)

    def check_in(self) -> None:
        """Renew the lease. Raises LeaseLost when another run took it, Overtaken by another champion."""
        self.lease.renew()
        with self.ports.database.read() as uow:
            champion_id = uow.projects.get(self.project.id).champion_id
        if champion_id != self.version.id:
            raise Overtaken

    def set_aside(self, frame: Frame, message: str) -> None:
        """Pass a frame over for the rest of the run, keeping the reason."""
        self.broken.add(frame.id)
        with self.ports.database.write() as uow:
            uow.marks.set_aside("frame", frame.digest, message, self.ports.clock())
            uow.commit()


def lease_of(ports: PreannotatePorts, rules: PreannotateRules, project_id: int) -> Lease:
    """The lease under which one run at a time works on the predictions of a project, for a new holder."""
    return Lease(ports.database, ports.clock, f"preannotate-{project_id}", rules.lease_seconds)
