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


MEASURED: dict[str, Figures] = {
    "resnet34-unet": Figures(24_430_097, 30.84),
    "unet": Figures(31_112_065, 204.18),
    "unet-leakyrelu": Figures(7_782_849, 51.09),
    "unet-prelu": Figures(7_782_867, 51.09),
    "unet-mish": Figures(7_782_849, 51.09),
    "fcn32s": Figures(134_271_937, 110.48),
    "fcn16s": Figures(134_272_466, 110.48),
    "fcn8s": Figures(134_272_739, 110.48),
    "segnet": Figures(29_442_433, 159.75),
    "deeplabv1": Figures(20_492_225, 125.25),
    "deeplabv2": Figures(42_567_620, 177.14),
    "deeplabv3": Figures(26_000_833, 108.79),
    "deeplabv3plus": Figures(22_431_185, 31.12),
    "deeplabv3plus-wide": Figures(22_431_185, 31.12),
    "pspnet": Figures(22_071_361, 92.17),
    "unetplusplus": Figures(26_072_337, 73.12),
    "attention-unet": Figures(7_939_745, 42.24),
    "vnet": Figures(9_360_769, 55.28),
    "residual-unet": Figures(8_115_011, 50.83),
    "dilated-unet": Figures(12_483_105, 52.97),
    "dense-unet": Figures(2_470_641, 12.26),
    "inception-unet": Figures(1_976_417, 9.98),
    "scse-unet": Figures(24_543_893, 30.87),
    "manet": Figures(31_777_361, 32.88),
    "nnunet": Figures(33_460_289, 59.04),
    "vgg16-unet": Figures(23_755_537, 98.64),
    "mobilenetv2-unet": Figures(6_628_369, 13.34),
    "mobilenetv3-unet": Figures(6_685_537, 12.23),
    "efficientnetb0-unet": Figures(5_838_733, 11.79),
    "densenet121-unet": Figures(13_601_361, 33.15),
    "inceptionv4-unet": Figures(48_791_345, 61.26),
    "seresnet50-unet": Figures(35_045_825, 40.91),
    "resnext50-unet": Figures(31_986_705, 42.86),
}

if __name__ == "__main__":
    for each in NETWORKS:
        found = measure(each)
        sys.stdout.write(f'    "{each}": Figures({found.parameters:_}, {found.gmac:.2f}),\n')
