"""Networks by name: one registry, one line an entry; every one takes one grey channel and gives logits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from loop.errors import BadRequest

if TYPE_CHECKING:
    from trainer.networks.base import Network

DEFAULT_NETWORK = "resnet34-unet"


def build_network(name: str, classes: int, encoder_weights: str | None = None) -> Network:
    """Make a network that maps float32 (N, 1, H, W), sides of at least 32 px, to logits (N, classes, H, W).

    Freshly initialised from torch's global generator; `encoder_weights="imagenet"` downloads that encoder.
    Raises BadRequest for an unknown name or no class, Unavailable when the download fails.
    """
    if name not in NETWORKS:
        raise BadRequest(f"network {name!r}", f"one of {', '.join(sorted(NETWORKS))}")
    if classes < 1:
        raise BadRequest(f"{classes} classes", "at least one")
    return NETWORKS[name](classes, encoder_weights)


def _from(module: str, **options: Any) -> Callable[[int, str | None], Network]:
    """Libraries take seconds to import: only processes that need a network pay for it."""

    def build(classes: int, encoder_weights: str | None) -> Network:
        network: Network = import_module(f"trainer.networks.{module}").build(
            classes, encoder_weights, **options
        )
        return network

    return build


_smp = partial(_from, "from_smp")

NETWORKS: dict[str, Callable[[int, str | None], Network]] = {
    "mobilenetv2-unet": _smp(architecture="unet", encoder="mobilenet_v2"),
    "resnet34-unet": _smp(architecture="unet", encoder="resnet34"),
}
