"""Networks by name; every one takes one grey channel and gives logits. `registry` holds the table.

Two names joined by "+" are an ensemble: `resnet34-unet+deeplabv3plus` answers with the mean of their
probabilities.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from loop.errors import BadRequest
from trainer.networks.registry import NETWORKS, Entry

if TYPE_CHECKING:
    from trainer.networks.base import Network

__all__ = ["DEFAULT_NETWORK", "MAX_CLASSES", "NETWORKS", "Entry", "build_empty", "build_network", "members"]

DEFAULT_NETWORK = "resnet34-unet"
JOINT = "+"
MAX_MEMBERS = 8
MAX_CLASSES = 254
LONGEST_WORD = 80


def build_network(name: str, classes: int, encoder_weights: str | None = None) -> Network:
    """Make a network that maps float32 (N, 1, H, W), sides of at least 32 px, to logits (N, classes, H, W).

    Freshly initialised from torch's global generator; `encoder_weights="imagenet"` downloads that encoder.
    Raises BadRequest for an unknown name or a number of classes outside 1..254, Unavailable when the
    download fails.
    """
    entries = members(name)
    if not 1 <= classes <= MAX_CLASSES:
        raise BadRequest(f"{classes} classes", f"1 to {MAX_CLASSES}")
    built = [entry.build(classes, encoder_weights) for entry in entries]
    if len(built) == 1:
        return built[0]
    from trainer.networks.ensemble import Ensemble

    return Ensemble(built)


def build_empty(name: str, classes: int) -> Network:
    """Make a network without memory for its numbers, to be filled from a file or to be measured.

    Raises BadRequest as `build_network` does.
    """
    import torch

    with torch.device("meta"):
        return build_network(name, classes)


def members(name: str) -> list[Entry]:
    """Look up a network, or the members of an ensemble. Raises BadRequest for an unknown name."""
    names = name.split(JOINT)
    if len(names) > MAX_MEMBERS:
        raise BadRequest(f"an ensemble of {len(names)} networks", f"at most {MAX_MEMBERS}")
    for each in names:
        if each not in NETWORKS:
            raise BadRequest(
                f"network {each[:LONGEST_WORD]!r}", "one that `./sonoloop networks` lists", _nearest(each)
            )
    return [NETWORKS[each] for each in names]


def _nearest(name: str) -> str:
    near = get_close_matches(name[:LONGEST_WORD].lower(), NETWORKS, n=3, cutoff=0.5) or [DEFAULT_NETWORK]
    return f"the nearest: {', '.join(near)}"
