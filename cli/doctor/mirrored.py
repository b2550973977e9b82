"""The mirror at work: every annotation of Label Studio is here in its present state, and none besides."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adapters.brush import SdkBrushCodec
from adapters.label_studio.api import understood
from adapters.label_studio.client import LabelStudioClient
from adapters.services.programs import WORKER_LIGHT
from cli.doctor.advice import LOOK_ANEW, see_log
from cli.doctor.findings import Finding, fail, ok, warn
from cli.doctor.installation import Installation
from loop.errors import BadInput, NotFound
from loop.messages import BAD_ANNOTATION, SetAside
from loop.mirror import IngestPorts, is_held, is_state_of
from loop.records import Decision, MaskVersion, Project
from loop.watching import MOST_AHEAD

LEVEL_SECONDS = 4.0
LOOK_SECONDS = 0.5
FRESH = timedelta(seconds=30)
"""So long after a change the mirror may still be at work on it."""
MOST_EVENTS = 10_000
DRAWINGS = 40
"""So many are compared in a second or two."""
SHOWN = 3


@dataclass(frozen=True)
class Comparison:
    """How Label Studio and the mirror differ, by the ids of annotations.

    `older` are here in an earlier state, or as deleted; `later` bear a later time here, which a clock that
    was turned back leaves behind and is no difference by itself; `gone` are here alone. What was set aside
    since it cannot be read is none of them. `changed`: when each was last changed in Label Studio.
    """

    changed: Mapping[int, datetime]
    aside: int
    missing: frozenset[int]
    older: frozenset[int]
    later: frozenset[int]
    gone: frozenset[int]

    @property
    def differing(self) -> frozenset[int]:
        """Those of which the mirror does not hold the present state."""
        return self.missing | self.older | self.gone


@understood
def mirror(installation: Installation, project: Project) -> Finding:
    """Ids and times on both sides; a label of this very moment is waited for."""
    until = time.monotonic() + LEVEL_SECONDS
    while True:
        found = look(installation, project)
        if not found.differing or time.monotonic() > until:
            return judge(installation, project, found)
        time.sleep(LOOK_SECONDS)


def look(installation: Installation, project: Project) -> Comparison:
    """One comparison of all annotations of a project; Label Studio first, so that what comes in meanwhile is
    not taken for missing.
    """
    with installation.label_studio() as api:
        changed = LabelStudioClient(api).annotation_times(int(project.label_studio_id or 0))
    with installation.unit() as uow:
        return compare(changed, uow.masks.latest_of_all(project.id), uow.marks.list_set_aside())


def compare(
    changed: Mapping[int, datetime], mirrored: Iterable[MaskVersion], set_aside: Iterable[SetAside]
) -> Comparison:
    """By the rule of the mirror itself. An id is one annotation's in all of Label Studio, so that of what was
    set aside `changed` picks this project's.
    """
    held = {each.annotation_id: each for each in mirrored}
    living = {each: version for each, version in held.items() if version.decision is not Decision.DELETED}
    aside = {
        int(each.subject)
        for each in set_aside
        if each.kind == BAD_ANNOTATION
        and (at := changed.get(int(each.subject))) is not None
        and each.at >= at - MOST_AHEAD  # an earlier state was set aside, of this one nothing is known
    }
    other = {
        each
        for each in (living.keys() & changed.keys()) - aside
        if not is_state_of(living[each].updated_at, changed[each])
    }
    later = frozenset(each for each in other if living[each].updated_at > changed[each])
    buried = (held.keys() & changed.keys()) - living.keys() - aside
    return Comparison(
        changed=changed,
        aside=len(aside),
        missing=frozenset(changed.keys() - held.keys() - aside),
        older=frozenset(other - later | buried),
        later=later,
        gone=frozenset(living.keys() - changed.keys()),
    )


def judge(installation: Installation, project: Project, found: Comparison) -> Finding:
    """What a comparison says: nothing where the mirror is at work on every difference."""
    otherwise = _drawn_otherwise(installation, found.later) if found.later else set()
    if not found.differing and not otherwise:
        aside = f", {found.aside} of them set aside" if found.aside else ""
        return ok(f"{len(found.changed)} annotations there and here{aside}")
    got = _in_words(found, otherwise)
    if not otherwise and found.differing <= _at_work_on(installation, project, found):
        return warn(got, "the same", "nothing: these are just being copied; look again in a minute")
    every = installation.settings.reconcile_seconds
    todo = f"look again in {2 * every} s; " + see_log(WORKER_LIGHT, "says why; ") + LOOK_ANEW
    return fail(got, "the same", todo)


def _in_words(found: Comparison, otherwise: Collection[int]) -> str:
    said = {
        "missing here": found.missing,
        "older here": found.older,
        "drawn otherwise here": otherwise,
        "here but no longer there": found.gone,
    }
    listed = ", ".join(f"{len(ids)} {what} ({_named(ids)})" for what, ids in said.items() if ids)
    return f"of {len(found.changed)} annotations in Label Studio: {listed}"


def _named(ids: Collection[int]) -> str:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"number {', '.join(map(str, sorted(ids)[:SHOWN]))}{more}"


def _at_work_on(installation: Installation, project: Project, found: Comparison) -> set[int]:
    """Those changed a moment ago, and those that an event names which came a moment ago."""
    now = datetime.now(UTC)
    with installation.unit() as uow:
        events = [each for each in uow.inbox.pending(MOST_EVENTS) if now - each.received_at < FRESH]
        tasks = {frame.id: frame.task_id for frame in uow.frames.list(project.id)}
        mirrored = uow.masks.latest_of_all(project.id)
    of_tasks = {task for event in events for task in event.task_ids}
    told = {each for event in events for each in event.annotation_ids}
    told |= {each.annotation_id for each in mirrored if tasks[each.frame_id] in of_tasks}
    return told | {each for each, at in found.changed.items() if abs(now - at) < FRESH}


def _drawn_otherwise(installation: Installation, later: Collection[int]) -> set[int]:
    """Of annotations that bear a later time here those that say something else there; the first ones only."""
    storage, codec = installation.storage(), SdkBrushCodec()
    with installation.label_studio() as api, installation.database() as database:
        studio = LabelStudioClient(api)
        ports = IngestPorts(database, storage, studio, codec, lambda: datetime.now(UTC))
        return {each for each in sorted(later)[:DRAWINGS] if not _says_the_same(ports, each)}


def _says_the_same(ports: IngestPorts, annotation_id: int) -> bool:
    with ports.database.read() as uow:
        version = uow.masks.latest(annotation_id)
        frame = uow.frames.get(version.frame_id) if version else None
    if version is None or frame is None:
        return False
    try:
        annotation = ports.label_studio.get_annotation(annotation_id)
        return annotation.updated_at > version.updated_at or is_held(ports, frame, version, annotation)
    except (BadInput, NotFound):
        return False
