"""Memory and time of serving by tiles: frames of several sizes in a box, and cut into tiles that overlap."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from trainer.memory import RSS_UNIT
from trainer.preparation import Preparation
from trainer.processes import map_in_processes

SIDE = 256
SIDES = (512, 1024, 2048)
FRAMES = 3
WAYS = {
    "box": Preparation(),
    "tiles, overlap 1/4": Preparation(tiles=True, tile_overlap=0.25),
    "tiles, overlap 1/2": Preparation(tiles=True),
}


def measure(case: tuple[str, int]) -> tuple[int, float, float]:
    """Tiles a frame, seconds a frame, and MB that predicting added to the loaded model's; in a process of its
    own.
    """
    import torch

    from trainer.engine import TorchSegmenter
    from trainer.networks import DEFAULT_NETWORK, build_network
    from trainer.preprocess import look

    way, side = case
    torch.set_num_threads(1)
    network = build_network(DEFAULT_NETWORK, 1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    segmenter = TorchSegmenter(network, ("vein",), [0], SIDE, (), "float32", WAYS[way])
    image = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
    before, times = _peak_bytes(), []
    for _ in range(FRAMES):
        began = time.process_time()
        segmenter.predict(image)
        times.append(time.process_time() - began)
    added = (_peak_bytes() - before) / 1e6
    return len(look(image, SIDE, WAYS[way]).grid), float(np.median(times)), added


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def _measured(cases: list[tuple[str, int]]) -> Iterator[tuple[int, float, float]]:
    for case in cases:
        yield from map_in_processes(measure, [case], 1)


def main() -> None:
    """Print the table."""
    title = f"A frame through a ResNet34-UNet of {SIDE} px, one core, float32, median of {FRAMES}"
    table = Table(title=title)
    for heading in ("frame", "way", "tiles", "s a frame", "MB more"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    cases = [(way, side) for side in SIDES for way in WAYS]
    for (way, side), (tiles, seconds, added) in zip(cases, _measured(cases), strict=True):
        table.add_row(f"{side} px", way, str(tiles), f"{seconds:.2f}", f"{added:.0f}")
    Console().print(table)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy's first product
    sys.exit(main())
