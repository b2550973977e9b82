"""Reading webhook bodies: only which ids an event is about, for the rest is asked of Label Studio's API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loop.errors import BadEvent

TASKS_DELETED = "TASKS_DELETED"
ANNOTATIONS_DELETED = "ANNOTATIONS_DELETED"
ANNOTATION_WRITES = frozenset({"ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED"})
DELETIONS = frozenset({ANNOTATIONS_DELETED, TASKS_DELETED})
MIRRORED_ACTIONS = ANNOTATION_WRITES | DELETIONS
LARGEST_ID = 1 << 63
"""No id that a database holds reaches it; one that did would be asked for again and again, in vain."""
LONGEST_STAMP = 64
"""Characters of a moment in time that stand in a key as they are; of anything longer only its digest does."""


@dataclass(frozen=True)
class Event:
    """A webhook event that the mirror follows; two deliveries of one event have one `key`."""

    key: str
    action: str
    label_studio_project: int | None
    annotation_ids: tuple[int, ...]
    task_ids: tuple[int, ...]


def parse_event(payload: object) -> Event | None:
    """Body of a webhook to an Event; None for an action that the mirror does not follow.

    Raises BadEvent for a body that is no event or names no id.
    """
    if not isinstance(payload, Mapping) or not isinstance(payload.get("action"), str):
        raise BadEvent("a body without an action", "a JSON object that Label Studio sent")
    action = payload["action"]
    if action not in MIRRORED_ACTIONS:
        return None
    subjects = _subjects(payload, action)
    ids = tuple(_id_of(subject, action) for subject in subjects)
    is_about_tasks = action == TASKS_DELETED
    return Event(
        key=_key(action, [f"{_id_of(item, action)}@{_stamp_of(item)}" for item in subjects]),
        action=action,
        label_studio_project=_project_of(payload),
        annotation_ids=() if is_about_tasks else ids,
        task_ids=ids if is_about_tasks else (),
    )


def _subjects(payload: Mapping[str, Any], action: str) -> list[Mapping[str, Any]]:
    """The annotations (or deleted tasks) of an event: one as an object, several as a list, by either name."""
    noun = "task" if action == TASKS_DELETED else "annotation"
    found = payload.get(noun) or payload.get(f"{noun}s")
    listed: list[object] = found if isinstance(found, list) else [found]
    subjects = [item for item in listed if isinstance(item, Mapping)]
    if not subjects or len(subjects) < len(listed):
        raise BadEvent(f"{action} without its {noun}", f"an object or a list named {noun} or {noun}s")
    return subjects


def _id_of(subject: Mapping[str, Any], action: str) -> int:
    value = subject.get("id")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < LARGEST_ID:
        raise BadEvent(f"{action} with the id {_shown(value)}", "a positive whole number")
    return value


def _project_of(payload: Mapping[str, Any]) -> int | None:
    project = payload.get("project")
    value = project.get("id") if isinstance(project, Mapping) else project
    is_id = isinstance(value, int) and not isinstance(value, bool) and 0 < value < LARGEST_ID
    return value if is_id else None


def _stamp_of(subject: Mapping[str, Any]) -> str:
    """The `updated_at` of the subject, as it was sent. It becomes part of a key, so a value too long or not
    printable ASCII, which no time stamp is, is replaced by its SHA-256.
    """
    stamp = str(subject.get("updated_at", ""))
    if len(stamp) <= LONGEST_STAMP and stamp.isascii() and (stamp.isprintable() or not stamp):
        return stamp
    return hashlib.sha256(stamp.encode(errors="surrogatepass")).hexdigest()


def _shown(value: object) -> str:
    """A wrong id as a message may show it: it can be of any kind and length."""
    is_short = isinstance(value, int) and abs(value) <= LARGEST_ID
    return repr(value) if is_short else f"of the kind {type(value).__name__}, or too large"


def _key(action: str, parts: list[str]) -> str:
    """Short for one subject; a digest for a list, whose order says nothing."""
    if len(parts) == 1:
        return f"{action}:{parts[0]}"
    return f"{action}:{hashlib.sha256(','.join(sorted(parts)).encode()).hexdigest()}"
