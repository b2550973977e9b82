"""What a check is, and what it may find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cli.doctor.advice import NOTHING, Advice, same
from cli.doctor.installation import Installation

SECONDS = 6.0


class State(StrEnum):
    """How a check ended: only FAIL makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What was got; where that is not right, what is needed and what to do."""

    state: State
    got: str
    need: str = ""
    todo: Advice = NOTHING


@dataclass(frozen=True)
class Check:
    """One line of the doctor's. `look` may raise; it is given up after `seconds`.

    `after` names checks without whose success this one could only fail too. One that `is_slow` runs beside
    the others, from the beginning.
    """

    name: str
    look: Callable[[Installation], Finding]
    after: tuple[str, ...] = ()
    seconds: float = SECONDS
    is_slow: bool = False


def ok(got: str) -> Finding:
    """As it should be."""
    return Finding(State.OK, got)


def warn(got: str, need: str = "", todo: Advice | str = "") -> Finding:
    """Works, but somebody should know."""
    return Finding(State.WARN, got, need, same(todo))


def fail(got: str, need: str = "", todo: Advice | str = "") -> Finding:
    """Does not work."""
    return Finding(State.FAIL, got, need, same(todo))
