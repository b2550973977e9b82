"""What the loop needs from the outside world, as narrow protocols; adapters implement them, tests run one
contract on each.

A unit of work is one database transaction: rolled back unless committed. No file or network work happens
inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loop.records import Frame, ModelVersion
from loop.remote import LostAnnotation, NewPrediction, RemoteAnnotation, RemotePrediction, RemoteTask
from loop.repositories import (
    Figures,
    Frames,
    Inbox,
    Marks,
    Masks,
    Models,
    Outbox,
    Predictions,
    Projects,
    Readers,
    Rounds,
    Selections,
)

Clock = Callable[[], datetime]
"""Gives the present as timezone-aware UTC."""


class Job:
    """Names of the background jobs: a message carries a name and ids, never state."""

    TRAIN = "sonoloop.train"  # round_id
    INGEST = "sonoloop.ingest"  # no ids: drains the inbox
    RECONCILE = "sonoloop.reconcile"  # project_id, full (bool)
    PREANNOTATE = "sonoloop.preannotate"  # project_id
    RELAY = "sonoloop.relay"  # no ids: applies the outbox
    SWEEP = "sonoloop.sweep"  # no ids: expired leases, triggers


class Queue(Protocol):
    """A wake-up call for a worker; losing one loses nothing, because a sweeper repeats it."""

    def enqueue(self, job: str, **ids: int | str | bool) -> None:
        """Send the message. Raises Unavailable when the broker does not answer."""


class UnitOfWork(Protocol):
    """One transaction over all repositories: use as a context manager, call `commit`; anything else rolls
    back.
    """

    @property
    def projects(self) -> Projects: ...
    @property
    def frames(self) -> Frames: ...
    @property
    def readers(self) -> Readers: ...
    @property
    def models(self) -> Models: ...
    @property
    def predictions(self) -> Predictions: ...
    @property
    def masks(self) -> Masks: ...
    @property
    def rounds(self) -> Rounds: ...
    @property
    def selections(self) -> Selections: ...
    @property
    def inbox(self) -> Inbox: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def marks(self) -> Marks: ...
    @property
    def figures(self) -> Figures: ...

    def commit(self) -> None:
        """Make the changes durable, then run what `after_commit` collected."""

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` once the changes are durable; a rollback forgets it."""


class Database(Protocol):
    """Opens units of work. SQLite: a writing one begins with BEGIN IMMEDIATE.

    The commit of a `note` does not wait for the disk: for what would be learnt again if it were lost.
    """

    def write(self) -> AbstractContextManager[UnitOfWork]: ...
    def note(self) -> AbstractContextManager[UnitOfWork]: ...
    def read(self) -> AbstractContextManager[UnitOfWork]: ...


class Storage(Protocol):
    """Bytes by digest: kind is "frames", "masks", "models" or "embeddings"; written whole or not at all,
    never overwritten.
    """

    def put(self, kind: str, digest: str, data: bytes) -> None:
        """Raises OutOfSpace."""

    def get(self, kind: str, digest: str) -> bytes:
        """Raises NotFound."""

    def exists(self, kind: str, digest: str) -> bool: ...


class LabelStudio(Protocol):
    """What the loop asks of Label Studio. Every call raises Unavailable (try later), Denied or NotFound."""

    def import_tasks(self, project_id: int, data: Sequence[Mapping[str, Any]]) -> list[int]:
        """Create tasks in order and return their ids."""

    def tasks_changed_since(self, project_id: int, since: datetime | None) -> Iterator[RemoteTask]:
        """Tasks with annotations, oldest change first, pages of 100; None: all tasks."""

    def task_ids(self, project_id: int) -> set[int]: ...
    def get_task(self, task_id: int) -> RemoteTask: ...
    def get_annotation(self, annotation_id: int) -> RemoteAnnotation: ...
    def bring_back(self, lost: LostAnnotation) -> bool:
        """Make an annotation; False when one of its key is there. Raises NotFound for a task that is gone,
        BadRequest for a reader or a prediction that Label Studio does not know.
        """

    def predictions(self, project_id: int, model_version: str) -> list[RemotePrediction]: ...
    def push_predictions(self, project_id: int, predictions: Sequence[NewPrediction]) -> None:
        """Create all of one chunk (at most 100). Raises NotFound when one of its tasks is gone (then none was
        created), BadRequest when Label Studio takes none of them, Unavailable when fewer were created.
        """

    def withdraw_predictions(self, project_id: int, model_version: str) -> None:
        """Remove every prediction of this version; a version that has none is no error."""

    def set_score(self, prediction_id: int, score: float) -> None: ...
    def set_model_version(self, project_id: int, model_version: str) -> None: ...


class BrushCodec(Protocol):
    """Label Studio's run-length code of one brush region."""

    def encode(self, mask: NDArray[np.bool_]) -> list[int]:
        """Bool (H, W) to the list of integers Label Studio shows."""

    def decode(self, rle: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
        """Back to bool (H, W), alpha > 127. Raises BadAnnotation (length, size, values)."""

    def components(self, mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """The 8-connected blobs of a bool (H, W), largest first; their OR is the mask. Empty gives []."""


@dataclass(frozen=True)
class Examination:
    """What a model says of one frame of (H, W): `probs` float32 (C, H, W) in 0..1, `scores` by the name of
    the uncertainty measure (finite, higher: less sure), `embedding` float32 (D,).
    """

    probs: NDArray[np.float32]
    scores: Mapping[str, float]
    embedding: NDArray[np.float32]


class Segmenter(Protocol):
    """A loaded model version."""

    classes: tuple[str, ...]

    def predict(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (H, W) to probabilities float32 (C, H, W) at the frame's own size."""

    def examine(self, image: NDArray[np.uint8]) -> Examination:
        """Prediction with uncertainty and embedding."""


class Segmenters(Protocol):
    """Loads model versions, by digest, refusing a file whose digest differs."""

    def load(self, model: ModelVersion) -> Segmenter:
        """Raises BadWeights, NotFound."""


class Images(Protocol):
    """Pixels of stored frames."""

    def read(self, frame: Frame) -> NDArray[np.uint8]:
        """uint8 (H, W). Raises NotFound."""


class Sampler(Protocol):
    """Orders candidates: the one interface behind which every strategy lives."""

    def __call__(
        self,
        uncertainties: NDArray[np.float64],
        embeddings: NDArray[np.float32],
        clips: Sequence[str],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """(N,), (N, D) and N clip ids to a permutation (N,), first served first. Empty gives empty."""
