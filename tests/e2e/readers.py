"""What a reader of these tests does with the next frames."""

from __future__ import annotations

import numpy as np

from adapters.label_studio.session import ReaderSession, Result
from loop.regions import mask_to_result
from tests.e2e.homes import CLASS, Mirror


def label(mirror: Mirror, reader: ReaderSession, count: int, side: int) -> dict[int, int]:
    """Draw a disc into the next frames; task to annotation."""
    made: dict[int, int] = {}
    for turn in range(count):
        task = reader.next_task(mirror.label_studio_id())
        assert task is not None, "nothing left to read"
        shown = task.shown.id if task.shown else None
        made[task.id] = reader.submit(task.id, disc(mirror, turn, side), 2.5, shown)
    return made


def disc(mirror: Mirror, turn: int, side: int) -> Result:
    rows, columns = np.mgrid[:side, :side]
    centre, radius = side // 4 + turn % (side // 2), side // 16 + turn % (side // 10)
    mask = (rows - centre) ** 2 + (columns - side // 2) ** 2 <= radius**2
    return mask_to_result(mask[None], (CLASS,), mirror.container.codec, f"disc {turn}")
