"""What the drill simulates."""

from __future__ import annotations

from dataclasses import dataclass

PACED, FLOOD = "paced", "flood"


@dataclass(frozen=True)
class Plan:
    """Sizes and times: `pace` in seconds a frame and reader, `new_labels` start a round; `with_bare`: the
    same readers on Label Studio alone first.
    """

    readers: int = 16
    frames: int = 10_000
    minutes: float = 3.0
    flood_minutes: float = 0.75
    pace: float = 10.0
    new_labels: int = 40
    with_bare: bool = True

    @property
    def names(self) -> list[str]:
        """The phases' names."""
        return [name for name, *_ in self.phases]

    @property
    def phases(self) -> list[tuple[str, float, float]]:
        """Name, seconds and pace of what comes after one another; those without time are left out."""
        both = [(PACED, 60 * self.minutes, self.pace), (FLOOD, 60 * self.flood_minutes, 0.0)]
        return [phase for phase in both if phase[1] > 0]
