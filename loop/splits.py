"""Splits that never part a group (patient, else clip), chosen by hash, so that they hold on every machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable

MIN_GROUPS_TO_HOLD_OUT = 5
MIN_HELD_OUT_GROUPS = 2


def is_held_out(group: str, fraction: float, seed: int) -> bool:
    """Whether a group's SHA-256, read as a number in 0..1, lies below `fraction`."""
    return _position(group, seed, "held-out") < fraction


def choose_held_out(groups: Iterable[str], pinned: Collection[str], fraction: float, seed: int) -> set[str]:
    """The groups that are to be held out, those `pinned` earlier always among them.

    A group seen for the first time is held out by hash. Once there are five groups, those with the lowest
    hash fill up to two, so that the gate can resample groups. No groups give the empty set.
    """
    everyone = set(groups) | set(pinned)
    chosen = set(pinned) | {group for group in everyone if is_held_out(group, fraction, seed)}
    if len(everyone) < MIN_GROUPS_TO_HOLD_OUT:
        return chosen
    ranked = _by_position(everyone - chosen, seed, "held-out")
    return chosen | set(ranked[: max(0, MIN_HELD_OUT_GROUPS - len(chosen))])


def inner_split(groups: Iterable[str], fraction: float, seed: int) -> set[str]:
    """The groups whose frames decide when training stops early.

    About `fraction` of them, at least one and never all; fewer than two groups give the empty set.
    """
    ranked = _by_position(set(groups), seed, "inner")
    count = min(len(ranked) - 1, max(1, math.floor(len(ranked) * fraction + 0.5)))
    return set(ranked[: max(0, count)])


def _by_position(groups: Iterable[str], seed: int, salt: str) -> list[str]:
    return sorted(groups, key=lambda group: (_position(group, seed, salt), group))


def _position(group: str, seed: int, salt: str) -> float:
    digest = hashlib.sha256(f"{salt}\n{seed}\n{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
