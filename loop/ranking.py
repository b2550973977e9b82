"""Composing a Selection: who stands where in the queue, and why; pure, seeded and replayable.

A sampler has scored and ordered the pool already; here the arms get their shares, no clip gets more than its
quota of any stretch of the queue, and held-out frames come early enough for the first gate.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loop.errors import BadInput
from loop.records import Arm, SelectionEntry


@dataclass(frozen=True)
class QueueRule:
    """Shares of the arms, at most `clip_quota` frames of one clip in any `window` places, and the held-out
    frames' part.

    Until `held_out_wanted` held-out frames are labelled they take at least `held_out_early` of the places,
    later their share of the pool.
    """

    random_share: float = 0.10
    blind_share: float = 0.05
    clip_quota: int = 2
    window: int = 20
    held_out_wanted: int = 12
    held_out_early: float = 1 / 3


@dataclass(frozen=True)
class Candidate:
    """A frame that could be asked for; `uncertainty` None: no model has looked at it."""

    frame_id: int
    clip: str
    uncertainty: float | None = None


def compose(
    ordered: Sequence[Candidate],
    held_out: Sequence[Candidate],
    rule: QueueRule,
    generator: np.random.Generator,
    *,
    held_out_labelled: int = 0,
    arm: Arm = Arm.SAMPLER,
) -> list[SelectionEntry]:
    """A queue of all given frames, rank 0 first: `ordered` as the sampler put them, `held_out` in any order.

    `arm` names those that keep the sampler's order (RANDOM where nothing could be scored). Empty gives empty.
    Raises BadInput for a frame that is given twice or an uncertainty that is not finite.
    """
    _check([*ordered, *held_out])
    arms = assign_arms(ordered, rule, generator, arm)
    learned = respect_quota(_spread_arms(ordered, arms), rule)
    shuffled = [held_out[index] for index in generator.permutation(len(held_out))]
    blind_read = take_turns(shuffled)
    early = max(0, rule.held_out_wanted - held_out_labelled)
    queue = _interleave(learned, blind_read, rule.held_out_early, early)
    arms |= {candidate.frame_id: Arm.HELD_OUT for candidate in held_out}
    return [
        SelectionEntry(item.frame_id, rank, arms[item.frame_id], item.uncertainty)
        for rank, item in enumerate(queue)
    ]


def assign_arms(
    ordered: Sequence[Candidate], rule: QueueRule, generator: np.random.Generator, arm: Arm = Arm.SAMPLER
) -> dict[int, Arm]:
    """Give the blind and the random arm their shares of the frames, drawn without looking; the rest gets
    `arm`.
    """
    count = len(ordered)
    blind, random = round(rule.blind_share * count), round(rule.random_share * count)
    drawn = [ordered[index].frame_id for index in generator.permutation(count)]
    arms = {candidate.frame_id: arm for candidate in ordered}
    arms |= dict.fromkeys(drawn[:blind], Arm.BLIND)
    return arms | dict.fromkeys(drawn[blind : blind + random], Arm.RANDOM)


def respect_quota(queue: Sequence[Candidate], rule: QueueRule) -> list[Candidate]:
    """The same frames, each as early as its clip's quota in the last places allows.

    Where only clips remain that have used up their quota, the one with the fewest recent places goes first.
    """
    waiting: dict[str, deque[int]] = {}
    for index, candidate in enumerate(queue):
        waiting.setdefault(candidate.clip, deque()).append(index)
    heads = [(indices[0], clip) for clip, indices in waiting.items()]
    heapq.heapify(heads)
    recent: deque[str] = deque(maxlen=max(rule.window - 1, 1))
    result: list[Candidate] = []
    while heads:
        clip = _next_clip(heads, recent, rule.clip_quota)
        result.append(queue[waiting[clip].popleft()])
        recent.append(clip)
        if waiting[clip]:
            heapq.heappush(heads, (waiting[clip][0], clip))
    return result


def take_turns(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same frames, one of each clip in turn, clips and their frames in the order of their first
    appearance.
    """
    by_clip: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_clip.setdefault(candidate.clip, []).append(candidate)
    longest = max((len(frames) for frames in by_clip.values()), default=0)
    return [frames[turn] for turn in range(longest) for frames in by_clip.values() if turn < len(frames)]


def place(rank: int, count: int) -> float:
    """Where rank 0..count-1 stands between 0 and 1, ends excluded, so that something fits before and after
    all.
    """
    return (rank + 1) / (count + 1)


def insert_places(
    queue: Sequence[tuple[float, float | None]],
    arrivals: Sequence[Candidate],
    rule: QueueRule,
    generator: np.random.Generator,
) -> dict[int, float]:
    """Places for new frames between those that stand, which keep theirs: frame id to place, all different.

    `queue` holds (place, uncertainty or None) in rising places. A new frame goes behind as many as are more
    uncertain, and the clip's quota keeps it away from the one of its clip before; one without uncertainty
    goes anywhere. Raises BadInput for an uncertainty that is not finite.
    """
    _check(arrivals)
    gaps: dict[int, list[Candidate]] = {}
    next_gap: dict[str, int] = {}
    wanted = _wanted_gaps(queue, arrivals, generator)
    for candidate in sorted(
        arrivals, key=lambda item: (wanted[item.frame_id], -(item.uncertainty or 0.0), item.frame_id)
    ):
        gap = min(len(queue), max(wanted[candidate.frame_id], next_gap.get(candidate.clip, 0)))
        next_gap[candidate.clip] = gap + math.ceil(rule.window / rule.clip_quota)
        gaps.setdefault(gap, []).append(candidate)
    bounds = [0.0, *(position for position, _ in queue), 1.0]
    return {
        candidate.frame_id: bounds[gap] + (bounds[gap + 1] - bounds[gap]) * place(rank, len(members))
        for gap, members in gaps.items()
        for rank, candidate in enumerate(members)
    }


def _wanted_gaps(
    queue: Sequence[tuple[float, float | None]], arrivals: Sequence[Candidate], generator: np.random.Generator
) -> dict[int, int]:
    """Frame id to the index in `queue` that it would stand before, 0 to len(queue)."""
    scored = [index for index, (_, uncertainty) in enumerate(queue) if uncertainty is not None]
    rising = np.sort([uncertainty for _, uncertainty in queue if uncertainty is not None])
    wanted = {}
    for candidate in arrivals:
        if candidate.uncertainty is None:
            wanted[candidate.frame_id] = int(generator.integers(len(queue) + 1))
            continue
        ahead = len(rising) - int(np.searchsorted(rising, candidate.uncertainty, side="left"))
        wanted[candidate.frame_id] = scored[ahead - 1] + 1 if ahead else 0
    return wanted


def _spread_arms(ordered: Sequence[Candidate], arms: Mapping[int, Arm]) -> list[Candidate]:
    """Merge the arms so that each keeps its order and has its share of every stretch of the queue."""
    members: dict[Arm, list[Candidate]] = {}
    for candidate in ordered:
        members.setdefault(arms[candidate.frame_id], []).append(candidate)
    timed = [
        ((index + 0.5) / len(frames), list(Arm).index(name), candidate)
        for name, frames in members.items()
        for index, candidate in enumerate(frames)
    ]
    return [candidate for _, _, candidate in sorted(timed, key=lambda item: item[:2])]


def _interleave(
    learned: Sequence[Candidate], blind_read: Sequence[Candidate], early_share: float, early: int
) -> Iterator[Candidate]:
    """Lay the held-out frames among the others: at least `early_share` for the first `early` ones, then
    evenly.
    """
    waiting, owed = deque(blind_read), 0.0
    for index, candidate in enumerate(learned):
        share = len(waiting) / (len(waiting) + len(learned) - index)
        if len(blind_read) - len(waiting) < early:
            share = max(share, early_share)
        yield candidate
        owed += share / (1 - share)  # held-out frames per other one
        while waiting and owed >= 1:
            owed -= 1
            yield waiting.popleft()
    yield from waiting


def _next_clip(heads: list[tuple[int, str]], recent: deque[str], quota: int) -> str:
    """Take the clip of the foremost frame whose clip has not used up its quota; at most a window's clips
    have.
    """
    full: list[tuple[int, str]] = []
    while heads and recent.count(heads[0][1]) >= quota:
        full.append(heapq.heappop(heads))
    if heads:
        chosen = heapq.heappop(heads)
    else:
        chosen = min(full, key=lambda head: (recent.count(head[1]), head[0]))
        full.remove(chosen)
    for head in full:
        heapq.heappush(heads, head)
    return chosen[1]


def _check(candidates: Sequence[Candidate]) -> None:
    if len({candidate.frame_id for candidate in candidates}) < len(candidates):
        raise BadInput("a frame that stands twice in the pool", "each once")
    for candidate in candidates:
        if candidate.uncertainty is not None and not math.isfinite(candidate.uncertainty):
            raise BadInput(
                f"an uncertainty of {candidate.uncertainty}", "a finite one", frame=candidate.frame_id
            )
