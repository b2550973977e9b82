"""FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer & Darrell, CVPR 2015) on VGG-16."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.networks.base import Network, Parts
from trainer.networks.vgg import WIDTHS, begin_rectified, vgg_blocks

HIDDEN = 4096


class FullyConvolutional(Network):
    """VGG-16 with its fully connected layers as convolutions (fc6, fc7), a score for each class at stride 32,
    and `skips` more scores of finer layers (pool4, pool3) that are added on the way up.

    Upsampling by two is learnt and begins bilinear, the last one is bilinear. fc6 is padded by 3 px, where
    the paper pads the picture by 100 px and cuts the answer: the same weights, a fifth of the work.
    """

    def __init__(self, classes: int, blocks: list[nn.Sequential], skips: int) -> None:
        super().__init__(multiple=32)
        self.encoder = nn.ModuleList(blocks)
        self.fc = begin_rectified(
            nn.Sequential(
                nn.Conv2d(WIDTHS[-1], HIDDEN, 7, padding=3),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Conv2d(HIDDEN, HIDDEN, 1),
                nn.ReLU(inplace=True),
                nn.Dropout(),
            )
        )
        finer = [WIDTHS[3 - number] for number in range(skips)]
        self.scores = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in (HIDDEN, *finer))
        self.upsamples = nn.ModuleList(_bilinear(classes) for _ in finer)

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and what fc7 gives, at stride 32."""
        size, pooled = x.shape[-2:], list[Tensor]()
        for block in self.encoder:
            x = functional.max_pool2d(block(x), 2)
            pooled.append(x)
        features = self.fc(x)
        scores = self.scores[0](features)
        for upsample, score, finer in zip(self.upsamples, self.scores[1:], pooled[-2::-1], strict=False):
            scores = upsample(scores) + score(finer)
        return functional.interpolate(scores, size=size, mode="bilinear"), features

    def parts(self) -> Parts:
        """The five blocks; fc6 and fc7; every layer that scores classes."""
        return Parts([[block] for block in self.encoder], [self.scores, self.upsamples], [self.fc])


def build(classes: int, weights: str | None, *, skips: int) -> FullyConvolutional:
    """Make FCN-32s (no skip), FCN-16s (one) or FCN-8s (two). Raises Unavailable."""
    return FullyConvolutional(classes, vgg_blocks(weights), skips)


def _bilinear(classes: int) -> nn.ConvTranspose2d:
    """Doubling the size, class by class, bilinear before it learns."""
    layer = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, groups=classes, bias=False)
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.copy_(torch.outer(tent, tent).to(layer.weight.device).expand_as(layer.weight))
    return layer
