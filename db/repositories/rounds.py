"""Training rounds: every write of a worker is conditional on the attempt it claimed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update

from db.models import RoundRow, TrainingEntryRow
from db.repositories.base import Repository
from db.repositories.locks import lock_project
from db.repositories.training_sets import load_training_set, save_training_set
from loop.errors import Conflict, LeaseLost
from loop.training_records import Round, RoundState, Split, TrainingSet

LIVE = tuple(state for state in RoundState if state.is_live)
CHANGES = frozenset({"reason", "error", "verdict", "candidate_id", "training_set_digest", "base", "progress"})
"""What `move` may change beside the state."""


class SqlRounds(Repository[Round]):
    """Implements `loop.repositories.Rounds`."""

    record, row = Round, RoundRow

    def add(self, project_id: int, *, reason: str, seed: int, label_count: int, now: datetime) -> Round:
        """Plan a round under the next number, from 1. Raises Conflict when one is live, NotFound."""
        lock_project(self.connection, project_id)
        last = select(func.coalesce(func.max(RoundRow.number), 0)).where(RoundRow.project_id == project_id)
        values = {
            "project_id": project_id,
            "number": self.connection.execute(last).scalar_one() + 1,
            "state": RoundState.PLANNED,
            "reason": reason,
            "seed": seed,
            "attempt": 0,
            "label_count": label_count,
            "is_cancel_requested": False,
            "progress": {},
            "created_at": now,
        }
        statement = self.insert().values(**values).on_conflict_do_nothing()
        added = self.first(statement.returning(*self.columns))
        if added is None:
            raise Conflict("a second round", "one live round per project", "wait for it", project=project_id)
        return added

    def get(self, round_id: int) -> Round:
        """By id. Raises NotFound."""
        return self.by_id(round_id)

    def live(self, project_id: int) -> Round | None:
        """The project's live round, if any."""
        return self.first(self.select(RoundRow.project_id == project_id, RoundRow.state.in_(LIVE)))

    def newest(self, project_id: int, states: Collection[RoundState] = ()) -> Round | None:
        """The one with the highest number, of those in `states` where any are given."""
        condition = [RoundRow.state.in_(tuple(states))] if states else []
        query = self.select(RoundRow.project_id == project_id, *condition)
        return self.first(query.order_by(RoundRow.number.desc()).limit(1))

    def claim(self, round_id: int, *, now: datetime, until: datetime) -> Round:
        """Raise `attempt` by one and take the lease.

        A lease that runs twice as far into the future as this one was given by a clock that has been turned
        back since, and holds nobody up. Raises Conflict while another holds an unexpired one or when the
        round is over, NotFound.
        """
        values = {"attempt": RoundRow.attempt + 1, "lease_until": until}
        claimed = self._update(round_id, RoundRow.state.in_(LIVE), _is_free(now, until - now), **values)
        if claimed is None:
            got = f"a claim of a {self.by_id(round_id).state} round that is held by another or over"
            raise Conflict(got, "a live round with no lease or an expired one", round=round_id)
        return claimed

    def renew(self, round_id: int, attempt: int, *, until: datetime) -> Round:
        """Prolong the lease and return the row (its cancel request included).

        Raises LeaseLost when another attempt has it, when it was released, or when the round is over.
        """
        held = RoundRow.lease_until.is_not(None)
        return self._write(round_id, attempt, RoundRow.state.in_(LIVE), held, lease_until=until)

    def release(self, round_id: int, attempt: int) -> None:
        """Give the lease back at once, so that the next claim need not wait. Raises LeaseLost."""
        self._write(round_id, attempt, lease_until=None)

    def move(self, round_id: int, attempt: int, to: RoundState, *, now: datetime, **changes: Any) -> Round:
        """Go to a state (legality is the caller's) with changes; a state that is not live ends the lease too.

        Raises LeaseLost when `attempt` is not the row's, Conflict when another round is live, NotFound.
        """
        if unknown := changes.keys() - CHANGES:
            raise TypeError(f"move cannot change {sorted(unknown)}, only {sorted(CHANGES)}")
        if not to.is_live:
            changes |= {"finished_at": now, "lease_until": None}
        return self._write(round_id, attempt, state=to, **changes)

    def set_progress(self, round_id: int, attempt: int, progress: Mapping[str, Any]) -> None:
        """Replace the progress. Raises LeaseLost when another attempt has the round or it is over."""
        self._write(round_id, attempt, RoundRow.state.in_(LIVE), progress=progress)

    def request_cancel(self, round_id: int) -> None:
        """Ask the holder to stop; of a round that is over nothing changes. Raises NotFound."""
        if self._update(round_id, RoundRow.state.in_(LIVE), is_cancel_requested=True) is None:
            self.by_id(round_id)

    def expired(self, now: datetime, lease: timedelta | None = None) -> list[Round]:
        """Live rounds with no lease or one that has run out, by id; with the length of a `lease`, also those
        with one that only a clock turned back since can have given.
        """
        query = self.select(RoundRow.state.in_(LIVE), _is_free(now, lease))
        return self.all(query.order_by(RoundRow.id))

    def save_training_set(self, training_set: TrainingSet) -> None:
        """Store a manifest; one with this digest that is there already stays. Raises NotFound."""
        save_training_set(self.connection, training_set)

    def training_set(self, digest: str) -> TrainingSet:
        """The manifest with its entries in order. Raises NotFound."""
        return load_training_set(self.connection, digest)

    def count_taught(self, digest: str) -> int:
        """How many entries of a training set are not held out; an unknown one has none."""
        own = TrainingEntryRow.training_set_digest == digest
        query = select(func.count()).where(own, TrainingEntryRow.split != Split.HELD_OUT)
        return self.connection.execute(query).scalar_one()

    def newest_taught(self, digest: str) -> int | None:
        """The highest mask version id in a training set, held-out ones included; None without any."""
        own = TrainingEntryRow.training_set_digest == digest
        return self.connection.execute(
            select(func.max(TrainingEntryRow.mask_version_id)).where(own)
        ).scalar_one()

    def list(self, project_id: int) -> list[Round]:
        """All rounds of the project, by number."""
        return self.all(self.select(RoundRow.project_id == project_id).order_by(RoundRow.number))

    def _write(self, round_id: int, attempt: int, *conditions: ColumnElement[bool], **values: Any) -> Round:
        """Change the row if it is still this attempt's: one statement, so that no claim can come between."""
        written = self._update(round_id, RoundRow.attempt == attempt, *conditions, **values)
        if written is None:
            row = self.by_id(round_id)
            got = f"a write of attempt {attempt} to a {row.state} round of attempt {row.attempt}"
            raise LeaseLost(got, "the attempt that holds the lease", "stop and write nothing", round=round_id)
        return written

    def _update(self, round_id: int, *conditions: ColumnElement[bool], **values: Any) -> Round | None:
        statement = update(RoundRow).where(RoundRow.id == round_id, *conditions).values(**values)
        return self.first(statement.returning(*self.columns))


def _is_free(now: datetime, lease: timedelta | None) -> ColumnElement[bool]:
    ended = or_(RoundRow.lease_until.is_(None), RoundRow.lease_until <= now)
    return ended if lease is None else or_(ended, RoundRow.lease_until > now + 2 * lease)
