"""Size and work of each network; `python -m trainer.networks.figures` prints the table below anew.

Measuring all takes a minute and all libraries, so it is kept; a test holds every line against the network.
One that is not in it yet is measured when it is asked for.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from trainer.networks import NETWORKS, build_empty

SIDE = 512


@dataclass(frozen=True)
class Figures:
    """Parameters with one class, and billions of multiply-adds for one frame of 512 x 512 x 1."""

    parameters: int
    gmac: float


def figures(name: str) -> Figures:
    """Look a network's figures up, or measure them. Raises BadRequest for an unknown name."""
    return MEASURED.get(name) or measure(name)


def measure(name: str) -> Figures:
    """Count parameters, and the products of all convolutions and matrices. No number is computed."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network = build_empty(name, classes=1).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 1, SIDE, SIDE, device="meta"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Figures(parameters, round(counter.get_total_flops() / 2e9, 2))


MEASURED: dict[str, Figures] = {}

if __name__ == "__main__":
    for each in NETWORKS:
        found = measure(each)
        sys.stdout.write(f'    "{each}": Figures({found.parameters:_}, {found.gmac:.2f}),\n')
