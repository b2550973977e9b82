"""What the gate looks at beside the mean: each class by itself, and how far the champion lies behind the best
before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loop.outcomes import Floats, FrameOutcome, dice_of_class, holds_class


@dataclass(frozen=True, eq=False)
class ClassChange:
    """One class on the frames where truth or either model holds it: both models' mean Dice (None: no such
    frame), the change on each frame, float64 (N,), and the group of each.
    """

    name: str
    candidate: float | None
    champion: float | None
    deltas: Floats
    groups: tuple[str, ...]

    @property
    def group_count(self) -> int:
        """How many groups the frames are from."""
        return len(set(self.groups))

    @property
    def mean(self) -> float | None:
        """The mean change; None without a frame."""
        return _mean(self.deltas)

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types, for the verdict's figures."""
        return {
            "class": self.name,
            "frames": len(self.deltas),
            "groups": self.group_count,
            "candidate": self.candidate,
            "champion": self.champion,
            "delta": self.mean,
        }


@dataclass(frozen=True)
class Behind:
    """How far a model lies behind the best one that served before it, by the changes that were measured since
    on enough frames: 0 or less, in Dice, for the mean and for each class. A class that is not named lies 0
    behind.
    """

    dice: float = 0.0
    by_class: tuple[float, ...] = ()

    def of_class(self, plane: int) -> float:
        """How far the class of this index lies behind."""
        return self.by_class[plane] if plane < len(self.by_class) else 0.0

    def after(self, change: float | None, changes: Sequence[float | None]) -> Behind:
        """How far the next model lies behind, changed so much in the mean and in each class; None: not
        measured on enough frames to count, so that it stays where it was.
        """
        return Behind(
            min(0.0, self.dice + (change or 0.0)),
            tuple(min(0.0, self.of_class(plane) + (each or 0.0)) for plane, each in enumerate(changes)),
        )

    def within(self, margin: float, class_margin: float) -> Behind:
        """No further behind than the margins: else no candidate that equals the champion could ever pass."""
        least, least_of_class = -max(0.0, margin), -max(0.0, class_margin)
        return Behind(max(self.dice, least), tuple(max(each, least_of_class) for each in self.by_class))

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types, for the verdict's figures."""
        return {"dice": self.dice, "by_class": list(self.by_class)}


def behind_from_dict(values: Mapping[str, Any]) -> Behind:
    """Read what `Behind.to_dict` wrote."""
    return Behind(float(values["dice"]), tuple(float(each) for each in values["by_class"]))


def changes_by_class(
    candidate: Sequence[FrameOutcome], champion: Sequence[FrameOutcome], names: Sequence[str]
) -> list[ClassChange]:
    """The change of each class from the champion to the candidate, outcomes on the same frames, at least one;
    a class beyond `names` is called by its number.
    """
    called = [*names, *(f"class {number}" for number in range(len(names) + 1, len(candidate[0].tp) + 1))]
    return [_change(candidate, champion, plane, called[plane]) for plane in range(len(candidate[0].tp))]


def _change(
    candidate: Sequence[FrameOutcome], champion: Sequence[FrameOutcome], plane: int, name: str
) -> ClassChange:
    there = holds_class(candidate, plane) | holds_class(champion, plane)
    new, old = (dice_of_class(model, plane)[there] for model in (candidate, champion))
    groups = tuple(item.group for item, is_there in zip(candidate, there, strict=True) if is_there)
    return ClassChange(name, _mean(new), _mean(old), new - old, groups)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
