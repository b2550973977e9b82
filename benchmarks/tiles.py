"""Memory and time of serving by tiles: frames of two sizes in a box, and cut into tiles that overlap."""

from __future__ import annotations

import os
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from trainer.memory import peak_bytes
from trainer.preparation import Preparation

SIDE = 256
SIDES = (512, 1024)
WAYS = {
    "box": Preparation(),
    "tiles, overlap 1/4": Preparation(tiles=True, tile_overlap=0.25),
    "tiles, overlap 1/2": Preparation(tiles=True),
}


def main() -> None:
    """Predict once each, from the smallest work to the largest, and print the table."""
    import torch

    from trainer.engine import TorchSegmenter
    from trainer.networks import DEFAULT_NETWORK, build_network
    from trainer.preprocess import look

    torch.set_num_threads(1)
    network = build_network(DEFAULT_NETWORK, 1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    table = Table(title=f"A frame through a ResNet34-UNet of {SIDE} px, one core, float32")
    for heading in ("frame", "way", "tiles", "s a frame", "MB so far"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    before = peak_bytes("cpu")["cpu"]
    for side in SIDES:
        image = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
        for way, preparation in WAYS.items():
            segmenter = TorchSegmenter(network, ("vein",), [0], SIDE, (), "float32", preparation)
            began = time.process_time()
            segmenter.predict(image)
            seconds, added = time.process_time() - began, (peak_bytes("cpu")["cpu"] - before) / 1e6
            tiles = len(look(image, SIDE, preparation).grid)
            table.add_row(f"{side} px", way, str(tiles), f"{seconds:.1f}", f"{added:.0f}")
    Console().print(table)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy's first product
    main()
