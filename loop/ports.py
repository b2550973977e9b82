"""What the loop needs from the outside world, as narrow protocols; adapters implement them, tests run one
contract on each.

A unit of work is one database transaction: rolled back unless committed. No file or network work happens
inside it. Repositories return frozen records and raise `loop.errors.NotFound` for an id that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loop.records import (
    Arm,
    Decision,
    Frame,
    InboxEvent,
    MaskVersion,
    ModelVersion,
    NewFrame,
    NewPrediction,
    OutboxMessage,
    Prediction,
    Project,
    Purpose,
    Reader,
    RemoteAnnotation,
    RemotePrediction,
    RemoteTask,
    Round,
    RoundState,
    Selection,
    SelectionEntry,
    SetAside,
    TrainingEntry,
    TrainingSet,
    Verdict,
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


class Projects(Protocol):
    """Projects and the alias of the champion."""

    def add(self, title: str, classes: Sequence[str], settings: Mapping[str, Any]) -> Project: ...
    def get(self, project_id: int) -> Project: ...
    def list(self) -> list[Project]: ...
    def find_by_label_studio_id(self, label_studio_id: int) -> Project | None: ...
    def set_label_studio_id(self, project_id: int, label_studio_id: int) -> None: ...
    def set_champion(self, project_id: int, model_version_id: int) -> None: ...
    def set_settings(self, project_id: int, settings: Mapping[str, Any]) -> None: ...


class Frames(Protocol):
    """Frames by project; a digest is unique within a project."""

    def add(self, project_id: int, frames: Sequence[NewFrame], now: datetime) -> list[Frame]:
        """Store those whose digest is new and return them; known digests are passed over."""

    def get(self, frame_id: int) -> Frame: ...
    def get_many(self, frame_ids: Sequence[int]) -> dict[int, Frame]: ...
    def find_by_task(self, task_id: int) -> Frame | None: ...
    def without_task(self, project_id: int) -> list[Frame]: ...
    def set_tasks(self, task_of_frame: Mapping[int, int | None]) -> None: ...
    def pin_held_out(self, frame_ids: Sequence[int]) -> None: ...
    def unlabelled(self, project_id: int) -> list[Frame]:
        """Frames with a task whose annotations hold nothing trainable, review-listed ones left out, by id."""

    def for_review(self, project_id: int) -> list[Frame]:
        """Frames that two different readers skipped and nobody annotated, by id."""

    def count(self, project_id: int) -> int: ...
    def list(self, project_id: int) -> list[Frame]: ...


class Readers(Protocol):
    """People (and the simulated reader) by Label Studio's user id."""

    def ensure(self, user_id: int) -> Reader: ...
    def mark_simulated(self, user_id: int) -> Reader: ...


class Models(Protocol):
    """The registry of model versions; numbers rise by one in a project, version 0 being the base weights."""

    def add(
        self,
        project_id: int,
        *,
        digest: str,
        round_id: int | None,
        origin: str,
        config: Mapping[str, Any],
        metrics: Mapping[str, Any],
        now: datetime,
    ) -> ModelVersion:
        """Register as `p<project>-v<number>`. The same (round, digest) twice gives the first row."""

    def get(self, model_version_id: int) -> ModelVersion: ...
    def find(self, project_id: int, name: str) -> ModelVersion | None: ...
    def record_service(self, project_id: int, model_version_id: int, now: datetime) -> None:
        """Note that this version went into service now (append-only history of the alias)."""

    def service_history(self, project_id: int) -> list[tuple[int, datetime]]:
        """(model version id, since when) in order; the last is the champion."""

    def list(self, project_id: int) -> list[ModelVersion]: ...


class Predictions(Protocol):
    """Predictions, unique per (frame, model version)."""

    def put(
        self,
        frame_id: int,
        model_version_id: int,
        *,
        purpose: Purpose,
        mask_digest: str | None,
        uncertainty: float | None,
        place: float | None,
    ) -> Prediction:
        """Insert, or update the row of the same (frame, model version) while it has not been pushed."""

    def get(self, prediction_id: int) -> Prediction: ...
    def find(self, frame_id: int, model_version_id: int) -> Prediction | None: ...
    def find_by_remote(self, remote_id: int) -> Prediction | None: ...
    def for_version(self, project_id: int, model_version_id: int) -> list[Prediction]: ...
    def set_remote(self, remote_of_prediction: Mapping[int, int]) -> None: ...
    def set_places(self, place_of_prediction: Mapping[int, float]) -> None: ...


class Masks(Protocol):
    """Mask versions, append-only; unique by (annotation id, updated_at, is a tombstone)."""

    def append(
        self,
        *,
        frame_id: int,
        annotation_id: int,
        updated_at: datetime,
        reader_id: int | None,
        decision: Decision,
        mask_digest: str | None,
        seconds: float | None,
        proposal_id: int | None,
        dice_to_proposal: float | None,
        is_simulated: bool,
        now: datetime,
    ) -> MaskVersion | None:
        """Store; None when this key is there already."""

    def latest(self, annotation_id: int) -> MaskVersion | None:
        """The newest version of an annotation by (tombstone last, updated_at)."""

    def history(self, frame_id: int) -> list[MaskVersion]:
        """Every version of every annotation of a frame, oldest first."""

    def current(self, project_id: int) -> list[MaskVersion]:
        """One per labelled frame: the newest trainable version among the latest ones of its annotations, by
        frame id.
        """

    def latest_of_all(self, project_id: int) -> list[MaskVersion]:
        """The latest version of every annotation of the project, tombstones included, by annotation id."""

    def count_trainable(self, project_id: int) -> int:
        """How many frames have a current trainable mask."""


class Rounds(Protocol):
    """Rounds; at most one live round per project (a partial unique index)."""

    def add(self, project_id: int, *, reason: str, seed: int, label_count: int, now: datetime) -> Round:
        """Plan a round. Raises Conflict when one is live."""

    def get(self, round_id: int) -> Round: ...
    def live(self, project_id: int) -> Round | None: ...
    def claim(self, round_id: int, *, now: datetime, until: datetime) -> Round:
        """Raise `attempt` by one and take the lease. Raises Conflict while another holds an unexpired one."""

    def renew(self, round_id: int, attempt: int, *, until: datetime) -> Round:
        """Prolong the lease and return the row (its cancel request included). Raises LeaseLost."""

    def release(self, round_id: int, attempt: int) -> None:
        """Give the lease back at once, so that the next claim need not wait. Raises LeaseLost."""

    def move(self, round_id: int, attempt: int, to: RoundState, *, now: datetime, **changes: Any) -> Round:
        """Go to a state (legality is the caller's) with changes of reason, error, verdict, candidate_id,
        training_set_digest, base, progress. Raises LeaseLost when `attempt` is not the row's.
        """

    def set_progress(self, round_id: int, attempt: int, progress: Mapping[str, Any]) -> None:
        """Raises LeaseLost."""

    def request_cancel(self, round_id: int) -> None: ...
    def expired(self, now: datetime) -> list[Round]:
        """Live rounds with no lease or one that has run out."""

    def save_training_set(self, training_set: TrainingSet) -> None: ...
    def training_set(self, digest: str) -> TrainingSet: ...
    def list(self, project_id: int) -> list[Round]: ...


class Selections(Protocol):
    """Orderings of the pool; append-only."""

    def add(
        self,
        project_id: int,
        model_version_id: int,
        *,
        strategy: str,
        seed: int,
        entries: Sequence[SelectionEntry],
        now: datetime,
    ) -> Selection: ...
    def latest(self, project_id: int) -> Selection | None: ...
    def count(self, project_id: int) -> int: ...


class Inbox(Protocol):
    """Webhook events as received."""

    def add(
        self,
        *,
        key: str,
        action: str,
        label_studio_project: int | None,
        annotation_ids: Sequence[int],
        task_ids: Sequence[int],
        now: datetime,
    ) -> bool:
        """Store; False when the key is there already."""

    def pending(self, limit: int = 200) -> list[InboxEvent]: ...
    def mark_done(self, event_id: int, now: datetime, error: str | None = None) -> None: ...


class Outbox(Protocol):
    """Changes that Label Studio must follow, applied in order and idempotently."""

    def add(self, kind: str, payload: Mapping[str, Any], now: datetime) -> OutboxMessage: ...
    def pending(self) -> list[OutboxMessage]: ...
    def mark_done(self, message_id: int, now: datetime) -> None: ...
    def mark_failed(self, message_id: int, error: str) -> None: ...


class Marks(Protocol):
    """Small durable facts: named leases, cursors, and what was set aside."""

    def acquire(self, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another holder's is unexpired."""

    def release(self, name: str, holder: str) -> None: ...
    def cursor(self, name: str) -> str | None: ...
    def set_cursor(self, name: str, value: str) -> None: ...
    def set_aside(self, kind: str, subject: str, message: str, now: datetime) -> None:
        """Keep a bad input with its reason; the same (kind, subject) is kept once, with the newest."""

    def list_set_aside(self) -> list[SetAside]: ...


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

    def commit(self) -> None:
        """Make the changes durable, then run what `after_commit` collected."""

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` once the changes are durable; a rollback forgets it."""


class Database(Protocol):
    """Opens units of work. SQLite: a writing one begins with BEGIN IMMEDIATE."""

    def write(self) -> AbstractContextManager[UnitOfWork]: ...
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
    def predictions(self, project_id: int, model_version: str) -> list[RemotePrediction]: ...
    def push_predictions(self, project_id: int, predictions: Sequence[NewPrediction]) -> None:
        """Create all of one chunk (at most 100). Raises NotFound when one of its tasks is gone (then none was
        created), Unavailable when fewer were created.
        """

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


__all__ = [
    "Arm",
    "BrushCodec",
    "Clock",
    "Database",
    "Examination",
    "Images",
    "Iterable",
    "Job",
    "LabelStudio",
    "Queue",
    "Sampler",
    "Segmenter",
    "Segmenters",
    "Storage",
    "TrainingEntry",
    "UnitOfWork",
    "Verdict",
]
