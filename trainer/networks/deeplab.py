"""DeepLab v1 and v2 (Chen et al. 2015, 2018): scores at stride 8 by dilated convolutions, then bilinear.

v1's second half, the dense CRF, is `trainer.crf`.
"""

from __future__ import annotations

from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn
from torch.nn import functional

from loop.errors import Unavailable
from trainer.networks.base import Network, Parts
from trainer.networks.from_smp import encoder_stages
from trainer.networks.vgg import WIDTHS, begin_rectified, vgg_blocks

STRIDE = 8
RATES = (6, 12, 18, 24)
HIDDEN = 1024


class LargeFov(Network):
    """DeepLab-LargeFOV: VGG-16 whose last two poolings keep the size, conv5 dilated by 2, fc6 of 3 x 3
    dilated by 12, and 1,024 channels in fc6 and fc7.
    """

    def __init__(self, classes: int, blocks: list[nn.Sequential]) -> None:
        super().__init__(multiple=STRIDE)
        self.encoder = nn.ModuleList(blocks)
        for layer in blocks[4]:
            if isinstance(layer, nn.Conv2d):
                layer.dilation = layer.padding = (2, 2)
        self.fc = begin_rectified(
            nn.Sequential(
                nn.AvgPool2d(3, stride=1, padding=1),
                nn.Conv2d(WIDTHS[-1], HIDDEN, 3, padding=12, dilation=12),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Conv2d(HIDDEN, HIDDEN, 1),
                nn.ReLU(inplace=True),
                nn.Dropout(),
            )
        )
        self.head = nn.Conv2d(HIDDEN, classes, 1)

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and what fc7 gives, at stride 8."""
        size = x.shape[-2:]
        for number, block in enumerate(self.encoder):
            x = functional.max_pool2d(block(x), 3, stride=2 if number < 3 else 1, padding=1)
        features = self.fc(x)
        return functional.interpolate(self.head(features), size=size, mode="bilinear"), features

    def parts(self) -> Parts:
        """The five blocks; fc6 and fc7; the layer that scores classes."""
        return Parts([[block] for block in self.encoder], [self.head], [self.fc])


class SpatialPyramid(Network):
    """DeepLab v2: ResNet-101 dilated to stride 8, the scores of four dilation rates added (ASPP)."""

    def __init__(self, classes: int, encoder: nn.Module, width: int) -> None:
        super().__init__(multiple=STRIDE)
        self.encoder = encoder
        self.scores = nn.ModuleList(
            nn.Conv2d(width, classes, 3, padding=rate, dilation=rate) for rate in RATES
        )

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and the encoder's last features, at stride 8."""
        features: Tensor = self.encoder(x)[-1]
        scores = sum((score(features) for score in self.scores[1:]), self.scores[0](features))
        return functional.interpolate(scores, size=x.shape[-2:], mode="bilinear"), features

    def parts(self) -> Parts:
        """The encoder by resolution; the layers that score classes. There is no decoder."""
        return Parts(encoder_stages(self.encoder), [self.scores])


def build_v1(classes: int, weights: str | None) -> LargeFov:
    """Make DeepLab v1. Raises Unavailable when the encoder's weights cannot be fetched."""
    return LargeFov(classes, vgg_blocks(weights))


def build_v2(classes: int, weights: str | None) -> SpatialPyramid:
    """Make DeepLab v2. Raises Unavailable when the encoder's weights cannot be fetched."""
    try:
        encoder = get_encoder("resnet101", in_channels=1, weights=weights, output_stride=STRIDE)
    except OSError as exc:
        raise Unavailable(
            f"no {weights} weights", "a connection to the internet", "try again later, or start from a file"
        ) from exc
    return SpatialPyramid(classes, encoder, encoder.out_channels[-1])
