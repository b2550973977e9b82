"""Weight files: safetensors with a JSON description of the network, and their adaptation to another class
list.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loop.errors import BadWeights, NotFound
from trainer.channels import channel_sources
from trainer.crf import CrfSettings
from trainer.durable import write_whole
from trainer.nearest import LONGEST_WORD
from trainer.networks import build_empty, build_network, members
from trainer.networks.rates import atrous_rates
from trainer.preparation import PLAIN, Preparation, preparation_from_dict
from trainer.preprocess import MEAN, STD
from trainer.recipe_values import SMALLEST
from trainer.weight_claims import FOREIGN, check_description

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainer.networks.base import Network

DESCRIPTION = "sonoloop"
MAX_FILE_BYTES = 4 << 30
MAX_HEADER_BYTES = 16 << 20
HEADER_LENGTH_BYTES = 8
NOT_OURS = (ValueError, LookupError, TypeError, RecursionError, OverflowError)
"""What a file of another kind ends in when it is read as ours."""
METADATA = "__metadata__"
FORMATS = frozenset(("F16", "BF16", "F32", "F64", "I64"))
"""As safetensors calls them. What our networks are made of, and what other programs may make of it."""
ABSENT = -4.0
"""Bias of a channel that no base weights know: it starts by seeing its class nowhere (p = 0.018)."""


def describe(
    network: str, classes: Sequence[str], size: int, preparation: Preparation = PLAIN, **more: Any
) -> dict[str, Any]:
    """Make the least description that a weight file carries, with anything in JSON's types beside it.

    A network whose paper ends with the dense CRF gets "crf", its settings, unless `more` has others or None;
    one with atrous rates that could be others gets "rates".
    """
    entries = members(network)
    crf = {"crf": CrfSettings().to_dict()} if len(entries) == 1 and entries[0].has_crf else {}
    rates = {"rates": found} if (found := atrous_rates(network)) else {}
    least = {"network": network, "classes": list(classes), "size": size, "mean": MEAN, "std": STD}
    return least | {"preparation": preparation.to_dict()} | crf | rates | more


def preparation_of(config: Mapping[str, Any]) -> Preparation:
    """Read the preparation from a description; one from before there was a choice says nothing of it."""
    return preparation_from_dict(config.get("preparation", {}))


def smallest_of(config: Mapping[str, Any]) -> float:
    """Read which share of what is seen of a frame a piece must have to be drawn; a description from before
    there was a choice says nothing of it.
    """
    return float(config.get("smallest", SMALLEST))


def save_weights(path: Path, network: nn.Module, config: Mapping[str, Any], half: bool = False) -> str:
    """Write a network with its description and return the file's SHA-256; equal input, equal digest.

    `half` stores floats in 16 bits (they are read back as 32). Raises OutOfSpace.
    """
    data = to_bytes(network.state_dict(), {DESCRIPTION: config}, half)
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def load_weights(path: Path, digest: str | None = None) -> tuple[Network, dict[str, Any]]:
    """Read a network, in evaluation mode and float32, and its description.

    Raises NotFound; BadWeights when the file is foreign, truncated, not the one of `digest`, or holds
    non-finite values.
    """
    data = read_weights(path, digest)
    length = min(_header_length(data), MAX_HEADER_BYTES)
    config = _described(data[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + length], len(data))
    tensors, _ = from_bytes(data)
    network = build_empty(config["network"], len(config["classes"]))
    _fill(network, tensors)
    return network.eval(), config


def read_description(path: Path) -> dict[str, Any]:
    """Read what a weight file says of itself, and not its weights. Raises NotFound; BadWeights for a file
    that is foreign, or longer or shorter than it says.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = min(_header_length(file.read(HEADER_LENGTH_BYTES)), MAX_HEADER_BYTES)
            header = file.read(length)
    except OSError as exc:
        raise _unreadable() from exc
    return _described(header, size)


def read_weights(path: Path, digest: str | None = None) -> bytes:
    """Read a weight file's bytes. Raises NotFound, or BadWeights when their SHA-256 is not `digest`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            got, need = f"a weight file of {size >> 30} GiB", f"at most {MAX_FILE_BYTES >> 30} GiB"
            raise BadWeights(got, need, FOREIGN)
        data = path.read_bytes()
    except OSError as exc:
        raise _unreadable() from exc
    found = hashlib.sha256(data).hexdigest()
    if digest is not None and found != digest:
        raise BadWeights(f"weights {found[:12]}", f"weights {digest[:12]}", "fetch the file again")
    return data


def to_bytes(tensors: Mapping[str, Tensor], notes: Mapping[str, Any], half: bool = False) -> bytes:
    """Pack tensors and notes in JSON's types into safetensors' format."""
    import safetensors.torch

    plain = {name: (t.half() if half and t.is_floating_point() else t) for name, t in tensors.items()}
    metadata = {DESCRIPTION: json.dumps(notes, sort_keys=True)}
    return safetensors.torch.save(
        {name: t.detach().cpu().contiguous() for name, t in plain.items()}, metadata
    )


def from_bytes(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Unpack what `to_bytes` made. Raises BadWeights for anything else."""
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        length = _header_length(data)
        if length > min(len(data), MAX_HEADER_BYTES):
            raise ValueError("a header longer than it may be")
        tensors = safetensors.torch.load(data)
        notes = _notes(data[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + length])
    except (SafetensorError, *NOT_OURS) as exc:
        raise _foreign(len(data)) from exc
    return tensors, notes


def _header_length(data: bytes) -> int:
    return int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")


def _described(header: bytes, size: int) -> dict[str, Any]:
    """The description in a header of a file of `size` bytes. Raises BadWeights for a file that is not whole,
    holds numbers in formats that no network of ours has, or claims what cannot be.
    """
    try:
        notes = _notes(header)
        tensors = [each for name, each in json.loads(header).items() if name != METADATA]
        formats = {each["dtype"] for each in tensors}
        end = max((each["data_offsets"][1] for each in tensors), default=0)
        if size != HEADER_LENGTH_BYTES + len(header) + end:
            raise ValueError("a file longer or shorter than its header says")
    except NOT_OURS as exc:
        raise _foreign(size) from exc
    if not formats <= FORMATS:
        got = f"weights in the formats {', '.join(sorted(map(str, formats - FORMATS)))}"[:LONGEST_WORD]
        raise BadWeights(got, f"numbers in {', '.join(sorted(FORMATS))} alone", FOREIGN)
    return check_description(notes.get(DESCRIPTION))


def _notes(header: bytes) -> dict[str, Any]:
    notes = json.loads(json.loads(header)[METADATA][DESCRIPTION])
    if not isinstance(notes, dict):
        raise ValueError("notes that are no object")
    return notes


def _foreign(size: int) -> BadWeights:
    got, need = f"{size} bytes that are no weights of ours", "a whole safetensors file of Sonoloop's"
    return BadWeights(got, need, f"fetch it again if it was cut short, or {FOREIGN}")


def _unreadable() -> NotFound:
    got, need = "no weight file that can be read", "one that this process may read"
    return NotFound(got, need, "check its path and its permissions")


def adapt(
    network: nn.Module, config: Mapping[str, Any], classes: Sequence[str], prior_class: str | None = None
) -> Network:
    """Make the network that starts the training for `classes` from another one: all of it but the head's
    channels is copied, and these where `channel_sources` finds one; the rest come from torch's generator,
    biased to absent.
    """
    import torch

    sources = channel_sources(config["classes"], classes, prior_class)
    adapted = build_network(config["network"], len(classes))
    known, state, head = network.state_dict(), adapted.state_dict(), adapted.head_names()
    absent = ABSENT / max(1, sum(name.endswith("bias") for name in head))  # several scores are added up
    with torch.no_grad():
        for name, tensor in state.items():
            if name not in head:
                tensor.copy_(known[name])
                continue
            for channel, source in enumerate(sources):
                if source is not None:
                    tensor[channel].copy_(known[name][source])
                elif name.endswith("bias"):
                    tensor[channel] = absent
    return adapted


def _fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give an empty network its numbers, in its own number formats."""
    formats = {name: tensor.dtype for name, tensor in network.state_dict().items()}
    try:
        # Copied, because those of a file all lie in its one buffer.
        own = {name: tensor.to(formats[name], copy=True) for name, tensor in tensors.items()}
        network.load_state_dict(own, assign=True)
    except (RuntimeError, KeyError) as exc:
        todo = "use the version that trained them, or fetch the file again"
        raise BadWeights("weights that do not fit the network they name", "its own tensors", todo) from exc
    # A number may be finite in 64 bits and not in the network's 32; whole numbers are looked at as they were.
    checked = (own[name] if own[name].is_floating_point() else tensors[name] for name in own)
    if not all(t.isfinite().all() for t in checked):
        raise BadWeights(
            "weights with NaN or infinite values", "finite ones", "train again with a lower learning rate"
        )
