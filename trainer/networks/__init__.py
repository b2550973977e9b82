"""Networks by name; every one takes one grey channel and gives logits. `registry` holds the table.

Two names joined by "+" are an ensemble: `resnet34-unet+deeplabv3plus` answers with the mean of their
probabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loop.errors import BadRequest
from trainer.nearest import LONGEST_WORD, meant
from trainer.networks.registry import DECODER, HEAD, NETWORKS, Entry

if TYPE_CHECKING:
    from trainer.networks.base import Network

__all__ = [
    "DEFAULT_NETWORK",
    "MAX_CLASSES",
    "NETWORKS",
    "Entry",
    "build_empty",
    "build_network",
    "members",
    "stages",
]

DEFAULT_NETWORK = "resnet34-unet"
JOINT = "+"
MAX_MEMBERS = 8
MAX_CLASSES = 254


def build_network(name: str, classes: int, encoder_weights: str | None = None) -> Network:
    """Make a network that maps float32 (N, 1, H, W), sides of at least 32 px, to logits (N, classes, H, W).

    Freshly initialised from torch's global generator; `encoder_weights="imagenet"` downloads that encoder.
    Raises BadRequest for an unknown name or a number of classes outside 1..254, Unavailable when the
    download fails.
    """
    entries = members(name)
    if not 1 <= classes <= MAX_CLASSES:
        raise BadRequest(
            f"{classes} classes", f"1 to {MAX_CLASSES}", "name at least one, and leave out what is not drawn"
        )
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
        got, need = f"an ensemble of {len(names)} networks", f"at most {MAX_MEMBERS}"
        raise BadRequest(got, need, "leave some out: each takes its own time and memory")
    if len(names) > 1 and not all(names):
        got = f"the ensemble {name[:LONGEST_WORD]!r}, which has a {JOINT} without a network beside it"
        spelt = name.replace(JOINT, "plus")  # DeepLab v3+ and U-Net++ as their papers write them
        example = f"write it such as {DEFAULT_NETWORK}{JOINT}fcn8s"
        raise BadRequest(got, "networks joined by +", f"write {spelt}" if spelt in NETWORKS else example)
    for each in names:
        if each not in NETWORKS:
            todo = meant(each, NETWORKS, f"take {DEFAULT_NETWORK}, which fits most frames")
            got = f"network {each[:LONGEST_WORD]!r}"
            raise BadRequest(got, "one that `./sonoloop networks` lists", todo)
    return [NETWORKS[each] for each in names]


def stages(name: str) -> list[str]:
    """The names of a network's stages in order from the input, without building it; an ensemble has all of
    its members'. Raises BadRequest for an unknown network.
    """
    found = {stage for entry in members(name) for stage in entry.stages}
    return [
        *sorted(found - {DECODER, HEAD}, key=lambda stage: (len(stage), stage)),
        *(stage for stage in (DECODER, HEAD) if stage in found),
    ]
