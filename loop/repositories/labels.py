"""Repositories of what is to be drawn and of what was: projects, frames, readers, masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from loop.records import Decision, Frame, MaskVersion, NewFrame, Project, Reader


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
    def set_held_out(self, is_held_out: Mapping[int, bool]) -> None: ...
    def regroup(self, place_of_frame: Mapping[int, tuple[str, str | None]]) -> None:
        """Give frames another clip and patient."""

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
    def get(self, reader_id: int) -> Reader: ...
    def mark_simulated(self, user_id: int) -> Reader: ...


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
        """The newest version of an annotation by (updated_at, tombstone last)."""

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

    def ever_trainable(self, project_id: int) -> set[int]:
        """Ids of frames that have a trainable version of any annotation, whatever became of it since."""

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
