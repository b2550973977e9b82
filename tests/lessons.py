"""Four frames learnt by heart: what any network can, and what is said of one that cannot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.networks.base import Network
from trainer.preprocess import normalise

SIDE = 64
AIM, IGNORANT = 0.8, 0.5
"""Mean Dice of the four discs: what is to be reached, and what a network may have before it has learnt."""
BUDGET = 12
"""Steps. Those that we have need one to seven, two of them in the median."""
RATE = 1e-3


@dataclass(frozen=True)
class Lesson:
    """A network after its steps: the Dice of the discs before, and after in evaluation mode (None: it was not
    reached even in training mode); the parameters that no gradient reached, and the stages that stayed as
    they were.
    """

    network: Network
    steps: int
    before: float
    after: float | None
    unreached: list[str]
    unmoved: list[str]

    @property
    def flaws(self) -> list[str]:
        """What keeps this from being a network that has learnt; none of one that has."""
        flaws = [f"{stage} has stayed as it was" for stage in self.unmoved]
        if self.before > IGNORANT:
            flaws.append(f"it had a Dice of {self.before:.2f} before the first step")
        if self.after is None or self.after < AIM:
            flaws.append(f"after {self.steps} steps its Dice is {self.after}, not {AIM}")
        return flaws


def teach(network: Network, rate: float = RATE, budget: int = BUDGET) -> Lesson:
    """Teach until the four frames are known in evaluation mode, at most `budget` steps of Adam.

    Batch normalisation takes its running figures from the latest batch, which is all there is to learn: with
    the usual tenth of it they would still be those of the beginning.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    images, truth = four_frames()
    optimizer = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), rate, fused=True)
    began, before, after, unreached = lengths(network), 0.0, None, list[str]()
    for step in range(budget + 1):
        logits = by_heart(network)(images)
        known = dice(logits, truth)
        before = before if step else known
        if known > AIM:
            after = judge(network, images, truth)
        if step == budget or (after or 0) > AIM:
            break
        loss(logits, truth).backward()  # type: ignore[no-untyped-call]
        unreached = unreached if step else without_gradient(network)
        optimizer.step()
        optimizer.zero_grad()
    ended = lengths(network)
    unmoved = [stage for stage in began if began[stage] == ended[stage]]
    return Lesson(network.requires_grad_(False).eval(), step, before, after, unreached, unmoved)


def by_heart(network: Network) -> Network:
    """The network in training mode, but without dropout."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.eval()
    return network


@torch.no_grad()
def judge(network: Network, images: Tensor, truth: Tensor) -> float:
    """The Dice in evaluation mode, as a network serves."""
    return dice(network.eval()(images), truth)


def without_gradient(network: Network) -> list[str]:
    return [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()]


@torch.no_grad()
def lengths(network: Network) -> dict[str, list[float]]:
    """The norm of every parameter of every stage: a copy would be half a gigabyte of some networks."""
    return {
        stage: [float(parameter.norm()) for parameter in modules.parameters()]
        for stage, modules in network.stages().items()
    }


def four_frames() -> tuple[Tensor, Tensor]:
    """Pictures of a dark disc on bright speckle, each in another quarter, and their truth, (4, 1, S, S):
    coarse enough for a network that sees 64 px as 2 x 2.
    """
    rng, quarter = np.random.default_rng(0), SIDE // 4
    y, x = np.mgrid[:SIDE, :SIDE]
    centres = [(row, column) for row in (quarter, 3 * quarter) for column in (quarter, 3 * quarter)]
    discs = np.stack([(y - cy) ** 2 + (x - cx) ** 2 < quarter**2 for cy, cx in centres])[:, np.newaxis]
    grey = np.where(discs, 40, 150) + rng.normal(0, 15, discs.shape)
    images = np.stack([normalise(frame[0].clip(0, 255).astype(np.uint8)) for frame in grey])
    return torch.from_numpy(images), torch.from_numpy(discs).float()


def loss(logits: Tensor, truth: Tensor) -> Tensor:
    """BCE + Dice of the discs alone; the other class is there so that heads have more than one."""
    probs = logits[:, :1].sigmoid()
    overlap = (2 * (probs * truth).sum() + 1) / (probs.sum() + truth.sum() + 1)
    return functional.binary_cross_entropy_with_logits(logits[:, :1], truth) + 1 - overlap


@torch.no_grad()
def dice(logits: Tensor, truth: Tensor) -> float:
    found, axes = (logits[:, :1] > 0).float(), (1, 2, 3)
    return float((2 * (found * truth).sum(axes) / (found.sum(axes) + truth.sum(axes))).mean())
