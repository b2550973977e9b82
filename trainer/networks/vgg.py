"""The encoder of VGG-16 (Simonyan & Zisserman 2015), cut into its five blocks, with batch normalisation.

The networks built on it began as weights of ImageNet without any normalisation. From scratch, as ours mostly
begin, sixteen layers do not learn without it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights, vgg16_bn
from torchvision.models.vgg import cfgs, make_layers

from loop.errors import Unavailable

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)


def vgg_blocks(weights: str | None) -> list[nn.Sequential]:
    """Five blocks of convolutions for one grey channel, without the pooling after each.

    Raises Unavailable when the weights cannot be fetched.
    """
    layers = make_layers(cfgs["D"], batch_norm=True)
    grey = nn.Conv2d(1, WIDTHS[0], 3, padding=1)
    if weights is None:
        layers[0] = grey
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    else:
        layers.load_state_dict(_fetched())
        layers[0] = _greyed(layers[0], grey)
    blocks: list[list[nn.Module]] = [[]]
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            blocks.append([])
        else:
            blocks[-1].append(layer)
    return [nn.Sequential(*block) for block in blocks if block]


def begin_rectified(layers: nn.Module) -> nn.Module:
    """Begin convolutions that no normalisation follows so that ReLU passes on what they get undiminished."""
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return layers


def _fetched() -> dict[str, Tensor]:
    try:
        features: nn.Module = vgg16_bn(weights=VGG16_BN_Weights.IMAGENET1K_V1).features
    except OSError as exc:
        raise Unavailable(
            "no imagenet weights", "a connection to the internet", "try again later, or start from a file"
        ) from exc
    return features.state_dict()


def _greyed(colour: nn.Conv2d, grey: nn.Conv2d) -> nn.Conv2d:
    """A grey picture is one of three equal colours: their weights add up."""
    state = colour.state_dict()
    grey.load_state_dict({"weight": state["weight"].sum(1, keepdim=True), "bias": state["bias"]})
    return grey
