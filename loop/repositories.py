"""What the loop needs from a database: one repository a noun, as narrow protocols.

They return frozen records and raise `loop.errors.NotFound` for an id that does not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from loop.messages import Backlog, InboxEvent, OutboxMessage, SetAside
from loop.records import (
    Decision,
    Drawn,
    Frame,
    FrameCounts,
    MaskVersion,
    ModelVersion,
    NewFrame,
    Prediction,
    Project,
    Purpose,
    Reader,
    Selection,
    SelectionEntry,
)
from loop.training_records import Round, RoundState, TrainingSet


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
    def task_ids(self, project_id: int) -> set[int]: ...
    def set_tasks(self, task_of_frame: Mapping[int, int | None]) -> None: ...
    def pin_held_out(self, frame_ids: Sequence[int]) -> None: ...
    def unlabelled(self, project_id: int, among: Sequence[int] | None = None) -> list[Frame]:
        """Frames with a task whose annotations hold nothing trainable, review-listed ones left out, by id;
        `among`: of these alone, which costs no more than they are many.
        """

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

    def set_withdrawn(self, model_version_id: int, at: datetime | None) -> None:
        """Note when Label Studio let go of its predictions; None: it is to hold them again."""

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

    def put_many(self, model_version_id: int, drawn: Sequence[Drawn]) -> list[Prediction]:
        """The same for many frames, each given once; by frame id."""

    def get(self, prediction_id: int) -> Prediction: ...
    def find(self, frame_id: int, model_version_id: int) -> Prediction | None: ...
    def find_by_remote(self, remote_id: int) -> Prediction | None: ...
    def for_version(
        self, project_id: int, model_version_id: int, among: Sequence[int] | None = None
    ) -> list[Prediction]:
        """By frame id; `among`: of these frames alone, which costs no more than they are many."""

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

    def states(self, task_ids: Sequence[int]) -> dict[int, dict[int, datetime | None]]:
        """For each task that belongs to a frame its annotations, each with the `updated_at` of its latest
        version, None for one that was deleted.
        """

    def current(self, project_id: int) -> list[MaskVersion]:
        """One per labelled frame: the newest trainable version among the latest ones of its annotations, by
        frame id.
        """

    def readable(self, project_id: int) -> list[MaskVersion]:
        """Those of `current` that rounds go by: not of a frame any of whose labels cannot be read in its
        newest state.
        """

    def latest_of_all(self, project_id: int) -> list[MaskVersion]:
        """The latest version of every annotation of the project, tombstones included, by annotation id."""

    def recorded_after(
        self, version_id: int, project_id: int, *, until: datetime, limit: int
    ) -> list[MaskVersion]:
        """Those of a project with a higher id that were recorded by `until`, by id, at most `limit`."""

    def count_trainable(self, project_id: int) -> int:
        """How many frames have a current trainable mask."""

    def count_to_learn(
        self, project_id: int, *, after: int = 0, recorded_after: datetime | None = None
    ) -> int:
        """How many frames of `readable` that are not held out have a mask whose id is above `after`, or that
        was recorded after a moment.
        """

    def may_teach(self, project_id: int) -> bool:
        """Whether any annotation outside the held-out frames is trainable in its latest version, of a frame
        all of whose labels can be read.
        """


class Rounds(Protocol):
    """Rounds; at most one live round per project (a partial unique index)."""

    def add(self, project_id: int, *, reason: str, seed: int, label_count: int, now: datetime) -> Round:
        """Plan a round. Raises Conflict when one is live."""

    def get(self, round_id: int) -> Round: ...
    def live(self, project_id: int) -> Round | None: ...
    def newest(self, project_id: int, states: Collection[RoundState] = ()) -> Round | None:
        """The one with the highest number, of those in `states` where any are given."""

    def claim(self, round_id: int, *, now: datetime, until: datetime) -> Round:
        """Raise `attempt` by one and take the lease. Raises Conflict while another holds an unexpired one;
        one twice as long as this is of a clock that was turned back, and void.
        """

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
    def expired(self, now: datetime, lease: timedelta | None = None) -> list[Round]:
        """Live rounds with no lease or one that has run out; with `lease`, also with one twice as long."""

    def save_training_set(self, training_set: TrainingSet) -> None: ...
    def count_taught(self, digest: str) -> int:
        """How many entries of a training set are not held out; an unknown one has none."""

    def newest_taught(self, digest: str) -> int | None:
        """The highest mask version id in a training set, held-out ones included; None without any."""

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

    def has(self, key: str) -> bool: ...
    def forget(self, key: str) -> None:
        """Strike a done event off, so that one of the same key is taken in again; others stay."""

    def pending(self, limit: int = 200) -> list[InboxEvent]: ...
    def since(self, at: datetime) -> list[InboxEvent]:
        """Every event that was received at this moment or later, done or not, in the order they came."""

    def mark_done(self, event_id: int, now: datetime, error: str | None = None) -> None: ...
    def mark_all_done(self, event_ids: Sequence[int], now: datetime) -> None:
        """The same for many that were followed; ids that are not there change nothing."""


class Outbox(Protocol):
    """Changes that Label Studio must follow, applied in order and idempotently."""

    def add(self, kind: str, payload: Mapping[str, Any], now: datetime) -> OutboxMessage: ...
    def pending(self) -> list[OutboxMessage]: ...
    def mark_done(self, message_id: int, now: datetime) -> None: ...
    def mark_failed(self, message_id: int, error: str) -> None: ...


class Marks(Protocol):
    """Small durable facts: named leases, cursors, and what was set aside."""

    def acquire(self, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another holder's is unexpired. One twice as long as this
        is of a clock that was turned back, and void.
        """

    def renew(self, name: str, holder: str, *, until: datetime) -> bool:
        """Prolong a lease that nobody took from its holder, expired or not; False when somebody did, even if
        it was given back since.
        """

    def release(self, name: str, holder: str) -> None: ...
    def held_until(self, name: str) -> datetime | None:
        """When a named lease runs out or ran out; None: it was never taken, or released."""

    def cursor(self, name: str) -> str | None: ...
    def set_cursor(self, name: str, value: str) -> None: ...
    def set_aside(
        self, kind: str, subject: str, message: str, now: datetime, task_id: int | None = None
    ) -> None:
        """Keep a bad input with its reason; the same (kind, subject) is kept once, with the newest."""

    def resolve(self, kind: str, subject: str) -> None:
        """Strike it off the list of what was set aside; one that is not there is none."""

    def list_set_aside(self) -> list[SetAside]: ...
    def set_aside_of(self, kind: str, task_ids: Sequence[int]) -> Mapping[int, Sequence[str]]:
        """By task its subjects of a kind that lie aside; a task without any is left out."""


class Figures(Protocol):
    """Counts for those who watch a home: few rows to read, however many frames there are."""

    def inbox(self) -> Backlog: ...
    def outbox(self) -> Backlog: ...
    def set_aside(self) -> Mapping[str, int]:
        """How many pieces of input lie aside, by kind."""

    def frames(self, project_id: int, model_version_id: int | None) -> FrameCounts:
        """How the frames of a project stand, `unread` by the predictions of this version."""

    def newest_label(self, training_set_digest: str) -> datetime | None:
        """When the newest mask of a training set was recorded; None for an unknown or empty one."""
