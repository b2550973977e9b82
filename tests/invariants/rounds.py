"""Rounds, and the model that serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from loop.records import ModelVersion, Project
from loop.serving import served_history
from loop.training_records import Round, RoundState
from tests.invariants.parts import Parts

BY_HAND = "asked for by hand"


def wrong_rounds(rounds: list[Round]) -> Iterator[str]:
    """One live round at most, one round a manifest, no lease of a round that is over."""
    live = [row.number for row in rounds if row.state.is_live]
    if len(live) > 1:
        yield f"rounds {live} are all live"
    judged = (RoundState.PROMOTED, RoundState.REJECTED)
    manifests = Counter(
        row.training_set_digest for row in rounds if row.state in judged and BY_HAND not in row.reason
    )
    yield from (f"{count} rounds learned from one manifest" for count in manifests.values() if count > 1)
    for row in rounds:
        if not row.state.is_live and (row.lease_until is not None or row.finished_at is None):
            yield f"round {row.number} is {row.state} with a lease or without an end"
        if row.state is RoundState.FAILED and not row.error:
            yield f"round {row.number} failed without a reason"
        if row.state in judged and (row.candidate_id is None or row.verdict is None):
            yield f"round {row.number} is {row.state} without a candidate or a verdict"


def wrong_champion(
    parts: Parts, project: Project, rounds: list[Round], versions: list[ModelVersion]
) -> Iterator[str]:
    """Exactly one champion, the last of the service history; Label Studio follows once it was told."""
    with parts.database.read() as uow:
        service = [version for version, _ in uow.models.service_history(project.id)]
        switches = [version for version, _ in served_history(uow, project.id)]
        waiting = uow.outbox.pending()
    if not service or project.champion_id != service[-1]:
        yield f"the champion is {project.champion_id}, the last in service {service[-1:]}"
    for row in rounds:
        if row.state is RoundState.PROMOTED and row.candidate_id not in service:
            yield f"round {row.number} is promoted, but its candidate never served"
    by_round = Counter(version.round_id for version in versions if version.round_id is not None)
    candidates = {row.candidate_id for row in rounds}
    for version in versions:
        if version.round_id is not None and by_round[version.round_id] == 1 and version.id not in candidates:
            yield f"{version.name} was registered, but is no round's candidate"
    name = next((version.name for version in versions if version.id == project.champion_id), "")
    if switches and switches[-1] == project.champion_id and not waiting:
        served = parts.served(project.label_studio_id or 0)
        if served != name:
            yield f"Label Studio serves {served!r}, the champion is {name!r}"
