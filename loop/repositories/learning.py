"""Repositories of what learns from labels and ranks the rest: models, predictions, rounds, selections."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from loop.records import Arm, Drawn, ModelVersion, Prediction, Purpose, Selection, SelectionEntry
from loop.training_records import Round, RoundState, TrainingSet


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

    def set_remote(self, remote_of_prediction: Mapping[int, int | None]) -> None:
        """Note Label Studio's ids; None: it holds that one no longer."""

    def set_places(self, place_of_prediction: Mapping[int, float]) -> None: ...


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
    def arms(self, project_id: int) -> dict[int, Arm]: ...
    def count(self, project_id: int) -> int: ...
