"""How long one core draws a phantom: `python -m benchmarks.phantoms`. The aim is 0.7 s at 512 px."""

from __future__ import annotations

import os
import time

import numpy as np
from rich.console import Console
from rich.table import Table

SIZES = (256, 512)
FRAMES = 12
AIM_SECONDS = 0.7


def seconds_per_frame(size: int) -> list[float]:
    """Processor seconds of each of some frames of `size` x `size` px, after one to warm up."""
    from trainer.phantoms import draw_frame

    draw_frame(0, size)
    times = []
    for seed in range(1, FRAMES + 1):
        began = time.process_time()
        draw_frame(seed, size)
        times.append(time.process_time() - began)
    return times


def main() -> None:
    """Print the table."""
    table = Table(title=f"Processor seconds per phantom, {FRAMES} frames; the aim at 512 px: {AIM_SECONDS} s")
    for heading in ("side", "lower quartile", "median", "upper quartile"):
        table.add_column(heading, justify="right")
    for size in SIZES:
        quartiles = np.quantile(seconds_per_frame(size), [0.25, 0.5, 0.75])
        table.add_row(f"{size} px", *(f"{value:.2f}" for value in quartiles))
    Console().print(table)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy's first product: one core, as in the pool
    main()
