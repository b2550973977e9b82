"""SegNet (Badrinarayanan, Kendall & Cipolla 2017): VGG-16 there and back, unpooled where it was pooled."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trainer.networks.base import Network, Parts
from trainer.networks.vgg import DEPTHS, WIDTHS, vgg_blocks


class SegNet(Network):
    """Encoder and decoder of thirteen convolutions each; the decoder gets no features from the encoder but
    the places of the maxima.
    """

    def __init__(self, classes: int, blocks: list[nn.Sequential]) -> None:
        super().__init__(multiple=32)
        self.encoder = nn.ModuleList(blocks)
        backwards = list(zip(WIDTHS, (WIDTHS[0], *WIDTHS[:-1]), DEPTHS, strict=True))[::-1]
        self.decoder = nn.ModuleList(_block(*each) for each in backwards[:-1])
        self.decoder.append(_block(WIDTHS[0], WIDTHS[0], 1))
        self.head = nn.Conv2d(WIDTHS[0], classes, 3, padding=1)

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and the encoder's last features, at stride 32."""
        places = []
        for block in self.encoder:
            x, place = functional.max_pool2d(block(x), 2, return_indices=True)
            places.append(place)
        features = x
        for block in self.decoder:
            x = block(unpool(x, places.pop()))
        logits: Tensor = self.head(x)
        return logits, features

    def parts(self) -> Parts:
        """Five blocks down, five up, the last convolution."""
        return Parts([[block] for block in self.encoder], [self.head], [self.decoder])


def unpool(x: Tensor, places: Tensor) -> Tensor:
    """Put (N, C, H, W) where 2 x 2 max pooling found it in (N, C, 2 H, 2 W), zeros elsewhere.

    As `max_unpool2d`, in operations that ONNX has.
    """
    batch, channels, height, width = x.shape
    empty = x.new_zeros((batch, channels, 4 * height * width))
    return empty.scatter(2, places.flatten(2), x.flatten(2)).view(batch, channels, 2 * height, 2 * width)


def build(classes: int, weights: str | None) -> SegNet:
    """Make the network. Raises Unavailable when the encoder's weights cannot be fetched."""
    return SegNet(classes, vgg_blocks(weights))


def _block(inside: int, out: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(depth):
        width = out if number == depth - 1 else inside
        layers += [nn.Conv2d(inside, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
