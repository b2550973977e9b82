"""Networks in the form of a U: blocks down, blocks up that each take a skip; and our own kinds of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from trainer.networks.base import LEAST_SIDE, Network, Parts

WIDTHS = (32, 64, 128, 256, 512)
Block = Callable[[int, int], nn.Module]
"""Makes a block from its channels in and out; it keeps height and width."""


class SkipNetwork(Network):
    """Blocks down, blocks up that each take one skip, and a head; the first block down keeps the size.

    `up[0]` takes the deepest features and the skip just above them.
    """

    def __init__(self, down: Iterable[nn.Module], up: Iterable[nn.Module], head: nn.Module) -> None:
        blocks = nn.ModuleList(down)
        multiple = 2 ** (len(blocks) - 1)
        super().__init__(multiple, max(LEAST_SIDE, 2 * multiple))
        self.down, self.up, self.head = blocks, nn.ModuleList(up), head

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and what the last block down gives."""
        skips = [x := self.down[0](x)]
        skips += [x := block(x) for block in self.down[1:]]
        deepest = skips.pop()
        for block in self.up:
            x = block(x, skips.pop())
        logits: Tensor = self.head(x)
        return logits, deepest

    def parts(self) -> Parts:
        """Block by block down, all blocks up, the head."""
        return Parts([[block] for block in self.down], [self.head], list(self.up))


class Up(nn.Module):
    """Doubles the size by a transposed convolution, takes the skip beside it, and runs a block."""

    def __init__(self, below: int, out: int, block: Block) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(below, out, 2, stride=2)
        self.block = block(2 * out, out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, below, H, W) and the skip (N, out, 2 H, 2 W) to (N, out, 2 H, 2 W)."""
        joined: Tensor = self.block(torch.cat((skip, self.upsample(x)), dim=1))
        return joined


class Residual(nn.Module):
    """Twice normalise, ReLU, convolve, beside a straight way (Zhang, Liu & Wang 2018, figure 1)."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*_activated(inside, out, 3), *_activated(out, out, 3))
        self.straight = nn.Conv2d(inside, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, out, H, W)."""
        changed: Tensor = self.convolutions(x) + self.straight(x)
        return changed


class Dilated(nn.Module):
    """Convolutions that see ever farther, each fed by the one before, all summed (Vesal et al. 2018)."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        widths = (inside, out, out, out)
        self.convolutions = nn.ModuleList(
            plain(width, out, dilation) for width, dilation in zip(widths, (1, 2, 4, 8), strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, out, H, W)."""
        seen = [x := convolution(x) for convolution in self.convolutions]
        summed: Tensor = torch.stack(seen).sum(0)
        return summed


class Dense(nn.Module):
    """Four layers that each see all before them (Huang et al. 2017; as Guan et al. 2020 put it into a U-Net):
    half of the channels come from a first one, an eighth from each layer.
    """

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        grown = out // 8
        self.first = nn.Conv2d(inside, out // 2, 1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                *_activated(out // 2 + number * grown, out // 2, 1), *_activated(out // 2, grown, 3)
            )
            for number in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, out, H, W)."""
        x = self.first(x)
        for layer in self.layers:
            x = torch.cat((x, layer(x)), dim=1)
        return x


class Inception(nn.Module):
    """Four looks of different width side by side, a quarter of the channels each (Szegedy et al. 2015)."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        share = out // 4
        self.looks = nn.ModuleList(
            (
                plain(inside, share, size=1),
                nn.Sequential(plain(inside, share, size=1), plain(share, share)),
                nn.Sequential(plain(inside, share, size=1), plain(share, share, size=5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), plain(inside, share, size=1)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, out, H, W)."""
        return torch.cat([look(x) for look in self.looks], dim=1)


def plain(inside: int, out: int, dilation: int = 1, size: int = 3) -> nn.Sequential:
    """Convolve, normalise, ReLU."""
    padding = dilation * (size // 2)
    convolution = nn.Conv2d(inside, out, size, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def double(inside: int, out: int) -> nn.Sequential:
    """U-Net's own block: two convolutions."""
    return nn.Sequential(plain(inside, out), plain(out, out))


def build(classes: int, *, block: str, deepest: str | None = None) -> SkipNetwork:
    """Make a U-Net of 32 to 512 channels of one kind of block, with another kind as the deepest one."""
    kind, last = BLOCKS[block], BLOCKS[deepest or block]
    down: list[nn.Module] = [kind(1, WIDTHS[0])]
    for above, below in pairwise(WIDTHS):
        down.append(nn.Sequential(nn.MaxPool2d(2), (last if below == WIDTHS[-1] else kind)(above, below)))
    up = [Up(below, above, kind) for above, below in reversed(list(pairwise(WIDTHS)))]
    return SkipNetwork(down, up, nn.Conv2d(WIDTHS[0], classes, 1))


def _activated(inside: int, out: int, size: int) -> Sequence[nn.Module]:
    """Normalise, ReLU, convolve: what comes in is not changed in place, others look at it too."""
    return nn.BatchNorm2d(inside), nn.ReLU(), nn.Conv2d(inside, out, size, padding=size // 2)


BLOCKS: dict[str, Block] = {
    "plain": double,
    "residual": Residual,
    "dilated": Dilated,
    "dense": Dense,
    "inception": Inception,
}
