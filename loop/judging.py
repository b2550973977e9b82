"""What the gate must know of the project beside the outcomes: who serves, and how it came into service."""

from __future__ import annotations

from collections.abc import Sequence

from loop.errors import BadRequest
from loop.gate import GateRule, judge
from loop.gate_classes import Behind, behind_from_dict
from loop.outcomes import FrameOutcome
from loop.ports import UnitOfWork
from loop.records import ModelVersion
from loop.serving import is_order_only
from loop.training_records import Round, Verdict


def serving_weights(uow: UnitOfWork, project_id: int) -> ModelVersion | None:
    """The champion as far as one can compare with it: None when nothing or one without weights serves."""
    champion_id = uow.projects.get(project_id).champion_id
    champion = None if champion_id is None else uow.models.get(champion_id)
    return None if champion is None or is_order_only(champion) else champion


def judge_round(
    uow: UnitOfWork,
    row: Round,
    serving: ModelVersion | None,
    candidate: Sequence[FrameOutcome],
    champion: Sequence[FrameOutcome] | None,
    rule: GateRule,
) -> Verdict:
    """The gate's verdict on a round's candidate against the model that is `serving`.

    Raises BadRequest when its outcomes are missing or on other frames.
    """
    if serving is not None and champion is None:
        if candidate:
            got = f"a candidate's outcomes on {len(candidate)} frames and none of the champion"
            raise BadRequest(got, "both models' on the same frames", "train again", round=row.id)
        champion = []  # without a frame an evaluation cannot tell whether there was a champion
    return judge(
        candidate,
        champion,
        seed=row.seed,
        rule=rule,
        classes=uow.projects.get(row.project_id).classes,
        behind=_behind(uow, serving),
        has_held_out=bool(candidate) or has_held_out(uow, row.project_id),
    )


def has_held_out(uow: UnitOfWork, project_id: int) -> bool:
    """Whether the project has a held-out frame at all, labelled or not."""
    return any(frame.is_held_out for frame in uow.frames.list(project_id))


def _behind(uow: UnitOfWork, serving: ModelVersion | None) -> Behind:
    """How far the champion lies behind the best before it, as the gate noted that let it in.

    One that a person let in against the gate begins anew: the gate must not undo the person's word.
    """
    if serving is None or serving.round_id is None:
        return Behind()
    verdict = uow.rounds.get(serving.round_id).verdict
    if verdict is None or not verdict.is_promoted or "behind" not in verdict.figures:
        return Behind()
    return behind_from_dict(verdict.figures["behind"])
