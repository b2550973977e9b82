"""Giving the open frames of a project their places in the queue of one model version, and recording the
Selection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from loop.errors import BadRequest, BadWeights
from loop.following import Placed, Run
from loop.ports import UnitOfWork
from loop.pushing import in_order, still_open
from loop.ranking import Candidate, compose, insert_places, place
from loop.records import Arm, Drawn, Frame, Prediction, Purpose, SelectionEntry
from loop.scoring import Scored, score, stratify
from loop.serving import is_order_only, proposes_nothing
from loop.sweep import followed_mark

WRITES_PER_UNIT = 500


@dataclass(frozen=True)
class Pool:
    """The frames that want a reader, by id, and what the ordering must know of the project.

    `mark` tells this state of the project from another (see `loop.sweep`).
    """

    open: tuple[Frame, ...]
    label_count: int
    held_out_labelled: int
    mark: str

    @cached_property
    def open_ids(self) -> frozenset[int]:
        """Of the frames that want a reader."""
        return frozenset(frame.id for frame in self.open)

    def queue(self, run: Run) -> list[Placed]:
        """What has a place and wants a reader, first served first."""
        return in_order(item for frame_id, item in run.placed.items() if frame_id in self.open_ids)


def look_at_pool(run: Run) -> Pool:
    """Read the pool as it is now."""
    with run.ports.database.read() as uow:
        labelled = {mask.frame_id for mask in uow.masks.current(run.project.id)}
        held_out = {frame.id for frame in uow.frames.list(run.project.id) if frame.is_held_out}
        return Pool(
            open=tuple(uow.frames.unlabelled(run.project.id)),
            label_count=len(labelled),
            held_out_labelled=len(labelled & held_out),
            mark=followed_mark(uow, run.project),
        )


def arrivals(run: Run, pool: Pool) -> list[Frame]:
    """Open frames that have no place yet, those that cannot be drawn left out: clip by clip in turn, drawn
    without looking, in an order that does not hang on how many of them had their places before.
    """
    generator = np.random.default_rng([run.rules.seed, run.version.number, len(pool.open)])
    ordered = stratify(pool.open, len(pool.open), generator)
    return [frame for frame in ordered if frame.id not in run.placed and frame.id not in run.broken]


def select_first(run: Run, pool: Pool) -> None:
    """Make a version's first Selection: a clip-stratified part of the pool is scored; all held-out frames are
    in it.
    """
    generator = np.random.default_rng([run.rules.seed, run.version.number])
    held_out = [Candidate(frame.id, frame.clip) for frame in pool.open if frame.is_held_out]
    others = [frame for frame in pool.open if not frame.is_held_out]
    ordered = (
        _order_blindly(others, generator) if _has_no_weights(run) else _order(run, pool, others, generator)
    )
    entries = compose(
        ordered,
        held_out,
        run.rules.queue,
        generator,
        held_out_labelled=pool.held_out_labelled,
        arm=Arm.RANDOM if _has_no_weights(run) else Arm.SAMPLER,
    )
    if not entries:
        return
    rows = _store_rows(run, {entry.frame_id: (entry.arm, entry.uncertainty) for entry in entries})
    places = {entry.frame_id: place(entry.rank, len(entries)) for entry in entries}
    with run.ports.database.write() as uow:
        uow.predictions.set_places({rows[frame_id].id: value for frame_id, value in places.items()})
        _record(uow, run, entries)
        uow.commit()
    _note_placed(run, {frame.id: frame for frame in pool.open}, rows, places)


def place_arrivals(run: Run, pool: Pool, frames: Sequence[Frame]) -> list[Placed]:
    """Give frames without a place theirs between those that stand, which need not move; returns what was
    placed: frames that were labelled meanwhile or cannot be drawn are passed over.
    """
    generator = np.random.default_rng([run.rules.seed, run.version.number, len(run.placed)])
    open_frames = still_open(run, frames)
    new = [open_frames[frame.id] for frame in frames if frame.id in open_frames]
    arms = {frame.id: arrival_arm(run, frame) for frame in new}
    scored = score(
        run, [frame for frame in new if arms[frame.id] is not Arm.HELD_OUT and not _has_no_weights(run)]
    )
    uncertainty = {item.frame.id: item.uncertainty for item in scored}
    usable = [frame for frame in new if frame.id not in run.broken]
    by_uncertainty = {id_: value for id_, value in uncertainty.items() if arms[id_] is Arm.SAMPLER}
    standing = [(row.place or 0.0, row.uncertainty) for row, _ in pool.queue(run)]
    candidates = [Candidate(frame.id, frame.clip, by_uncertainty.get(frame.id)) for frame in usable]
    places = insert_places(standing, candidates, run.rules.queue, generator)
    rows = _store_rows(run, {frame.id: (arms[frame.id], uncertainty.get(frame.id)) for frame in usable})
    with run.ports.database.write() as uow:
        uow.predictions.set_places({rows[frame_id].id: value for frame_id, value in places.items()})
        uow.commit()
    return _note_placed(run, open_frames, rows, places)


def record_selection(run: Run, pool: Pool) -> None:
    """Record the queue as it stands, if it holds a frame that the version's last Selection does not."""
    queue = pool.queue(run)
    with run.ports.database.write() as uow:
        latest = uow.selections.latest(run.project.id)
        is_ours = latest is not None and latest.model_version_id == run.version.id
        arm_of = {entry.frame_id: entry.arm for entry in latest.entries} if latest and is_ours else {}
        if {frame.id for _, frame in queue} <= arm_of.keys():
            return
        entries = [
            SelectionEntry(frame.id, rank, arm_of.get(frame.id) or arrival_arm(run, frame), row.uncertainty)
            for rank, (row, frame) in enumerate(queue)
        ]
        _record(uow, run, entries)
        uow.commit()


def arrival_arm(run: Run, frame: Frame) -> Arm:
    """The arm of a frame that comes into a standing queue: by its shares, the same whenever it is asked."""
    if frame.is_held_out:
        return Arm.HELD_OUT
    draw = np.random.default_rng([run.rules.seed, run.version.number, frame.id]).random()
    blind, random = run.rules.queue.blind_share, run.rules.queue.random_share
    if draw < blind:
        return Arm.BLIND
    return Arm.RANDOM if draw < blind + random or _has_no_weights(run) else Arm.SAMPLER


def _order(run: Run, pool: Pool, frames: Sequence[Frame], generator: np.random.Generator) -> list[Candidate]:
    scored = score(run, stratify(frames, run.rules.score_limit, generator))
    if frames and not scored:
        got = f"a model that could draw none of {len(frames)} frames"
        raise BadWeights(got, "one that draws", "roll back", version=run.version.name)
    if not scored:
        return []
    order = _sample(run, pool, scored, generator)
    chosen = [scored[index] for index in order]
    return [Candidate(item.frame.id, item.frame.clip, item.uncertainty) for item in chosen]


def _sample(run: Run, pool: Pool, scored: Sequence[Scored], generator: np.random.Generator) -> list[int]:
    sampler = run.ports.sampler_of(run.version.number) if pool.label_count else run.ports.first_sampler
    order = sampler(
        np.array([item.uncertainty for item in scored], dtype=np.float64),
        np.stack([item.embedding for item in scored]),
        [item.frame.clip for item in scored],
        generator,
    ).tolist()
    if sorted(order) != list(range(len(scored))):
        raise BadRequest("a sampler that gives no permutation", "every frame once", "choose another sampler")
    return [int(index) for index in order]


def _order_blindly(frames: Sequence[Frame], generator: np.random.Generator) -> list[Candidate]:
    return [Candidate(frames[index].id, frames[index].clip) for index in generator.permutation(len(frames))]


def _record(uow: UnitOfWork, run: Run, entries: Sequence[SelectionEntry]) -> None:
    uow.selections.add(
        run.project.id,
        run.version.id,
        strategy="order-only" if _has_no_weights(run) else run.rules.strategy,
        seed=run.rules.seed,
        entries=entries,
        now=run.ports.clock(),
    )


def _note_placed(
    run: Run, frames: Mapping[int, Frame], rows: Mapping[int, Prediction], places: Mapping[int, float]
) -> list[Placed]:
    placed = {id_: (replace(rows[id_], place=value), frames[id_]) for id_, value in places.items()}
    run.placed.update(placed)
    return in_order(placed.values())


def _store_rows(run: Run, wanted: Mapping[int, tuple[Arm, float | None]]) -> dict[int, Prediction]:
    """Bring the rows of frames into the form that their arm needs; by frame id."""
    with run.ports.database.read() as uow:
        known = uow.predictions.for_version(run.project.id, run.version.id, list(wanted))
    row_of = {row.frame_id: row for row in known}
    drawn = [
        _drawn(frame_id, _mask_digest(run, arm, row_of.get(frame_id)), uncertainty)
        for frame_id, (arm, uncertainty) in sorted(wanted.items())
    ]
    stored: dict[int, Prediction] = {}
    for start in range(0, len(drawn), WRITES_PER_UNIT):
        with run.ports.database.write() as uow:
            rows = uow.predictions.put_many(run.version.id, drawn[start : start + WRITES_PER_UNIT])
            uow.commit()
        stored |= {row.frame_id: row for row in rows}
    return stored


def _drawn(frame_id: int, mask_digest: str | None, uncertainty: float | None) -> Drawn:
    purpose = Purpose.ORDER_ONLY if mask_digest is None else Purpose.PROPOSAL
    return Drawn(frame_id, purpose, mask_digest, uncertainty)


def _mask_digest(run: Run, arm: Arm, row: Prediction | None) -> str | None:
    """The mask to be drawn: none for the arms that are read blind, and none where nothing is proposed."""
    if arm in (Arm.BLIND, Arm.HELD_OUT) or proposes_nothing(run.version, run.project) or row is None:
        return None
    return row.mask_digest


def _has_no_weights(run: Run) -> bool:
    return is_order_only(run.version)
