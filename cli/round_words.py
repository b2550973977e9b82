"""What is said of a round, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loop.planning import tries
from loop.training_records import Round, RoundState


def describe_round(row: Round) -> str:
    """One line on a round: its attempt and progress while it lives, then the verdict or the error."""
    if row.state.is_live:
        return _describe_live(row)
    if row.state is RoundState.CANCELLED:
        return "cancelled by hand"  # an error in its record is that of an attempt before
    if row.verdict is not None:
        return "; ".join([row.verdict.reason, *_describe_classes(row.verdict.figures)])
    return row.error or "the reason was not recorded; ./sonoloop logs worker-train may say it"


def with_state(state: str, words: str) -> str:
    """A round's state and what is said of it, in one line; words that begin with the state are enough."""
    return words if words.startswith(state) else f"{state}: {words}"


def _describe_classes(figures: Mapping[str, Any]) -> list[str]:
    """The champion's and the candidate's Dice by class, where there are several and a frame holds them."""
    by_class = figures.get("by_class") or ()
    if len(by_class) < 2:
        return []
    known = [each for each in by_class if each["delta"] is not None]
    changes = [f"{each['class']} {each['champion']:.3f} to {each['candidate']:.3f}" for each in known]
    return [f"Dice by class: {', '.join(changes)}"] if changes else []


def _describe_live(row: Round) -> str:
    if row.is_cancel_requested:
        return "is being cancelled"
    is_waiting = row.attempt > 0 and row.lease_until is None
    doing = "waiting for a worker" if is_waiting else describe_progress(row.progress) or row.reason
    attempt = tries(row) + is_waiting
    if attempt < 2:
        return doing
    before = f" (before it: {row.error})" if row.error else ""
    return f"attempt {attempt}{before}, {doing}"


def describe_progress(progress: Mapping[str, Any]) -> str:
    """Phase, epoch, loss, Dice and time to go, as far as they are known; empty before the first one."""
    parts = [str(progress["phase"])] if progress.get("phase") else []
    if progress.get("epochs"):
        parts.append(f"epoch {progress.get('epoch', 0)}/{progress['epochs']}")
    for key, name in (("loss", "loss"), ("dice", "Dice")):
        if progress.get(key) is not None:
            parts.append(f"{name} {progress[key]:.3f}")
    if progress.get("eta_seconds") is not None:
        parts.append(f"{progress['eta_seconds']:.0f} s to go")
    return ", ".join(parts)
