"""Networks by name: one registry, one line an entry; every one takes one grey channel and gives logits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from loop.errors import BadRequest, Unavailable

if TYPE_CHECKING:
    from torch import nn

DEFAULT_NETWORK = "resnet34-unet"


def build_network(name: str, classes: int, encoder_weights: str | None = None) -> nn.Module:
    """Make a network that maps float32 (N, 1, S, S), S a multiple of 32, to logits (N, classes, S, S).

    Freshly initialised from torch's global generator; `encoder_weights="imagenet"` downloads that encoder.
    Raises BadRequest for an unknown name or no class, Unavailable when the download fails.
    """
    if name not in NETWORKS:
        raise BadRequest(f"network {name!r}", f"one of {', '.join(sorted(NETWORKS))}")
    if classes < 1:
        raise BadRequest(f"{classes} classes", "at least one")
    return NETWORKS[name](classes, encoder_weights)


def _smp(architecture: str, encoder: str, classes: int, encoder_weights: str | None) -> nn.Module:
    import segmentation_models_pytorch as smp  # takes seconds: only processes that need a network pay for it

    try:
        network: nn.Module = smp.create_model(
            architecture, encoder, encoder_weights, in_channels=1, classes=classes
        )
    except OSError as exc:  # every failure of the model hub on the network or the disk is one
        raise Unavailable(f"no {encoder_weights} weights", "a connection", "or start from a file") from exc
    return network


NETWORKS: dict[str, Callable[[int, str | None], nn.Module]] = {
    "mobilenetv2-unet": partial(_smp, "unet", "mobilenet_v2"),
    "resnet34-unet": partial(_smp, "unet", "resnet34"),
}
