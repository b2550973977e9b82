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


def choose_held_out(
    groups: Iterable[str],
    pinned: Collection[str],
    fraction: float,
    seed: int,
    barred: Collection[str] = (),
) -> set[str]:
    """The groups that are to be held out: those `pinned` earlier, and by hash others that are not `barred`.

    Once there are five groups, those of the lowest hash fill up to two, so that the gate can resample groups;
    never does more than half of the groups go, so that something is left to learn from. No groups give the
    empty set.
    """
    everyone = set(groups) | set(pinned)
    ranked = _by_position(everyone - set(pinned) - set(barred), seed, "held-out")
    by_hash = sum(is_held_out(group, fraction, seed) for group in ranked)
    at_least = MIN_HELD_OUT_GROUPS if len(everyone) >= MIN_GROUPS_TO_HOLD_OUT else 0
    room = len(everyone) // 2 - len(pinned)
    count = min(room, max(by_hash, at_least - len(pinned)))
    return set(pinned) | set(ranked[: max(0, count)])


def is_for_validation(group: str, fraction: float, seed: int) -> bool:
    """Whether a group belongs to the validation part of an export: by its own hash, so that no label and no
    other group ever moves it.
    """
    return _position(group, seed, "inner") < fraction


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
