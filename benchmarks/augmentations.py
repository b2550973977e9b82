"""What each augmentation does and costs: a picture of a phantom under each, and milliseconds a frame.

`python -m benchmarks.augmentations [PICTURE.png]`
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

SIDES = (256, 512)
CALLS = 30
PHANTOM = 5
COLUMNS, CELL, TITLE = 4, 224, 20
GREYS = 24
"""Of so many greys the picture is made: speckle does not compress, and fewer bits keep it small."""


def names() -> list[str]:
    """Every step by itself, then every pipeline."""
    from trainer.augmentation import AUGMENTATIONS, STEPS

    return [*STEPS, *(name for name in AUGMENTATIONS if name != "none")]


def changed(name: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture under the first seed by which the augmentation does something plain to see."""
    from trainer.augmentation import Augmentation

    augmentation = Augmentation(name)
    found = [augmentation(image, image, (seed,))[0] for seed in range(24)]
    return max(found, key=lambda other: float(np.abs(other.astype(float) - image).mean()))


def draw_sheet(image: NDArray[np.uint8], path: Path) -> None:
    """Write the picture as it is and under each augmentation."""
    cells = [_cell("as it is", image), *(_cell(name, changed(name, image)) for name in names())]
    while len(cells) % COLUMNS:
        cells.append(np.full_like(cells[0], 255))
    sheet = np.vstack([np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)])
    few = np.rint(sheet / 255 * (GREYS - 1)) / (GREYS - 1) * 255
    cv2.imwrite(str(path), few.astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _cell(title: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    cell = np.full((CELL + TITLE, CELL + 4), 255, np.uint8)
    cell[TITLE:, :CELL] = cv2.resize(image, (CELL, CELL), interpolation=cv2.INTER_AREA)
    cv2.putText(cell, title, (2, TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1, cv2.LINE_AA)
    return cell


def milliseconds(name: str, image: NDArray[np.uint8]) -> float:
    """Processor time of a call in which every step is done, the median of some."""
    from trainer.augmentation import Augmentation

    augmentation, times = Augmentation(name), []
    for transform in augmentation.transforms:
        transform.p = 1.0
    for seed in range(CALLS):
        began = time.process_time()
        augmentation(image, image, (seed,))
        times.append(time.process_time() - began)
    return 1000 * float(np.median(times))


def main() -> None:
    """Draw the picture where one is named, and print the table."""
    from trainer.phantoms import draw_frame
    from trainer.preprocess import letterbox

    cv2.setNumThreads(1)
    frames = [letterbox(draw_frame(PHANTOM, 512)[0], side) for side in SIDES]
    if len(sys.argv) > 1:
        draw_sheet(frames[0], Path(sys.argv[1]))
    table = Table(title=f"Processor ms a frame, every step done, one core, median of {CALLS}")
    for heading in ("augmentation", *(f"{side} px" for side in SIDES)):
        table.add_column(heading, justify="left" if heading == "augmentation" else "right")
    for name in names():
        table.add_row(name, *(f"{milliseconds(name, frame):.1f}" for frame in frames))
    Console().print(table)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy's first product
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    main()
