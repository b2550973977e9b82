"""Looking at frames with a model: mask, uncertainty and embedding, kept as they come, so that a crash loses
little.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadInput, BadMask, BadRequest, NotFound
from loop.following import Progress, Run
from loop.masks import check_mask, mask_digest, pack, probs_to_mask
from loop.ports import Examination, Segmenter
from loop.ranking import Candidate, take_turns
from loop.records import Drawn, Frame, Prediction, Purpose

BATCH = 16


@dataclass(frozen=True)
class Scored:
    """A frame that the model has looked at: its mask is stored, `embedding` is float32 (D,)."""

    frame: Frame
    mask_digest: str
    uncertainty: float
    embedding: NDArray[np.float32]


def stratify(frames: Sequence[Frame], limit: int, generator: np.random.Generator) -> list[Frame]:
    """At most `limit` frames, drawn without looking, clip by clip in turn. Empty gives empty."""
    by_id = {frame.id: frame for frame in frames}
    drawn = [Candidate(frames[index].id, frames[index].clip) for index in generator.permutation(len(frames))]
    return [by_id[candidate.frame_id] for candidate in take_turns(drawn)[:limit]]


def score(run: Run, frames: Sequence[Frame]) -> list[Scored]:
    """Look at frames and keep what was seen; those seen before are not looked at again.

    A frame that cannot be read or drawn is set aside and left out. Raises BadWeights, NotFound (the weights),
    BadRequest (an unknown strategy), Unavailable, LeaseLost, Overtaken.
    """
    seen = _remembered(run, frames)
    todo = [frame for frame in frames if frame.id not in seen and frame.id not in run.broken]
    segmenter = run.ports.segmenters.load(run.version) if todo else None
    for start in range(0, len(todo), BATCH):
        run.check_in()
        batch = todo[start : start + BATCH]
        fresh = (
            []
            if segmenter is None
            else [scored for frame in batch if (scored := _look(run, segmenter, frame))]
        )
        _keep(run, fresh)
        seen |= {scored.frame.id: scored for scored in fresh}
        run.on_progress(Progress("scoring", start + len(batch), len(todo)))
    return [seen[frame.id] for frame in frames if frame.id in seen]


def _look(run: Run, segmenter: Segmenter, frame: Frame) -> Scored | None:
    try:
        return _examine(run, segmenter, frame)
    except (BadInput, NotFound) as error:
        run.set_aside(frame, error.message)
        return None


def _examine(run: Run, segmenter: Segmenter, frame: Frame) -> Scored:
    examination = segmenter.examine(run.ports.images.read(frame))
    mask = probs_to_mask(examination.probs)
    check_mask(mask, len(run.project.classes), frame.height, frame.width)
    digest = mask_digest(mask)
    run.ports.storage.put("masks", digest, pack(mask))
    embedding = np.ascontiguousarray(examination.embedding, dtype=np.float32)
    run.ports.storage.put("embeddings", _embedding_key(run, frame), embedding.tobytes())
    return Scored(frame, digest, _uncertainty(run, examination), embedding)


def _uncertainty(run: Run, examination: Examination) -> float:
    if run.rules.strategy not in examination.scores:
        known = ", ".join(sorted(examination.scores))
        raise BadRequest(f"the strategy {run.rules.strategy!r}", f"one of: {known}", "change the setting")
    value = float(examination.scores[run.rules.strategy])
    if not math.isfinite(value):
        raise BadMask(f"an uncertainty of {value}", "a finite one")
    return value


def _keep(run: Run, scored: Iterable[Scored]) -> None:
    with run.ports.database.write() as uow:
        drawn = [
            Drawn(item.frame.id, Purpose.PROPOSAL, item.mask_digest, item.uncertainty) for item in scored
        ]
        uow.predictions.put_many(run.version.id, drawn)
        uow.commit()


def _remembered(run: Run, frames: Sequence[Frame]) -> dict[int, Scored]:
    with run.ports.database.read() as uow:
        among = [frame.id for frame in frames]
        rows = uow.predictions.for_version(run.project.id, run.version.id, among)
    by_frame = {row.frame_id: row for row in rows}
    found = (_recall(run, frame, by_frame.get(frame.id)) for frame in frames)
    return {scored.frame.id: scored for scored in found if scored is not None}


def _recall(run: Run, frame: Frame, row: Prediction | None) -> Scored | None:
    if row is None or row.mask_digest is None or row.uncertainty is None:
        return None
    try:
        data = run.ports.storage.get("embeddings", _embedding_key(run, frame))
    except NotFound:
        return None
    return Scored(frame, row.mask_digest, row.uncertainty, np.frombuffer(data, np.float32))


def _embedding_key(run: Run, frame: Frame) -> str:
    """An embedding is named by what it was made of, since it has no other identity."""
    return hashlib.sha256(f"{frame.digest} {run.version.digest}".encode()).hexdigest()
