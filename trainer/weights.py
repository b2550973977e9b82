"""Weight files: safetensors with a JSON description of the network, and their adaptation to another class
list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loop.errors import BadRequest, BadWeights, NotFound
from trainer.channels import channel_sources
from trainer.crf import CrfSettings, crf_from_dict
from trainer.durable import write_whole
from trainer.networks import MAX_CLASSES, build_empty, build_network, members
from trainer.preparation import PLAIN, Preparation, preparation_from_dict
from trainer.preprocess import MEAN, STD

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainer.networks.base import Network

DESCRIPTION = "sonoloop"
MAX_FILE_BYTES = 4 << 30
MAX_HEADER_BYTES = 16 << 20
HEADER_LENGTH_BYTES = 8
NOT_OURS = (ValueError, KeyError, TypeError, RecursionError, OverflowError)
"""What a file of another kind ends in when it is read as ours."""
MAX_SIDE = 8192
FOREIGN = "name a file that Sonoloop wrote, such as a model of an export: those of other programs are none"
LONGEST_WORD = 80
"""A file from elsewhere may claim anything: what it says is held against these before it is believed."""
ABSENT = -4.0
"""Bias of a channel that no base weights know: it starts by seeing its class nowhere (p = 0.018)."""


def describe(
    network: str, classes: Sequence[str], size: int, preparation: Preparation = PLAIN, **more: Any
) -> dict[str, Any]:
    """Make the least description that a weight file carries, with anything in JSON's types beside it.

    A network whose paper ends with the dense CRF gets "crf", its settings, unless `more` has others or None.
    """
    entries = members(network)
    crf = {"crf": CrfSettings().to_dict()} if len(entries) == 1 and entries[0].has_crf else {}
    least = {"network": network, "classes": list(classes), "size": size, "mean": MEAN, "std": STD}
    return least | {"preparation": preparation.to_dict()} | crf | more


def preparation_of(config: Mapping[str, Any]) -> Preparation:
    """Read the preparation from a description; one from before there was a choice says nothing of it."""
    return preparation_from_dict(config.get("preparation", {}))


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
    tensors, notes = from_bytes(read_weights(path, digest))
    config = _checked(notes.get(DESCRIPTION))
    network = build_empty(config["network"], len(config["classes"]))
    _fill(network, tensors)
    return network.eval(), config


def read_description(path: Path) -> dict[str, Any]:
    """Read what a weight file says of itself, and not its weights. Raises NotFound, BadWeights."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(HEADER_LENGTH_BYTES), "little")
            notes = _notes(file.read(length)) if length <= MAX_HEADER_BYTES else {}
    except OSError as exc:
        raise _unreadable() from exc
    except NOT_OURS as exc:
        raise _foreign(path.stat().st_size) from exc
    return _checked(notes.get(DESCRIPTION))


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
        length = int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
        if length > min(len(data), MAX_HEADER_BYTES):
            raise ValueError("a header longer than it may be")
        tensors = safetensors.torch.load(data)
        notes = _notes(data[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + length])
    except (SafetensorError, *NOT_OURS) as exc:
        raise _foreign(len(data)) from exc
    return tensors, notes


def _notes(header: bytes) -> dict[str, Any]:
    notes = json.loads(json.loads(header)["__metadata__"][DESCRIPTION])
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


def _checked(config: Any) -> dict[str, Any]:
    needed = {"network": str, "classes": list, "size": int, "mean": float, "std": float}
    if not isinstance(config, dict):
        raise BadWeights("weights without a description", f"one with {', '.join(needed)}", FOREIGN)
    for key, kind in needed.items():
        if not isinstance(config.get(key), kind) or not config[key]:
            said = repr(config.get(key))[:LONGEST_WORD]
            got, need = f"weights described with {key} = {said}", f"a {kind.__name__} that is not empty or 0"
            raise BadWeights(got, need, FOREIGN)
    _check_claims(config)
    if (config["mean"], config["std"]) != (MEAN, STD):
        got = f"weights for grey normalised by {config['mean']}, {config['std']}"
        raise BadWeights(
            got, f"{MEAN}, {STD}", "train again with this version: the others would see other grey"
        )
    return config


def _check_claims(config: Mapping[str, Any]) -> None:
    """What decides how much memory a network takes, before it is built."""
    classes, size = config["classes"], config["size"]
    if len(classes) > MAX_CLASSES or not all(isinstance(name, str) for name in classes):
        raise BadWeights(f"weights for {len(classes)} classes", f"1 to {MAX_CLASSES} names", FOREIGN)
    if not 32 <= size <= MAX_SIDE:
        got = f"weights for a side of {str(size)[:LONGEST_WORD]} px"
        raise BadWeights(got, f"32 to {MAX_SIDE} px", FOREIGN)
    try:
        members(config["network"])
        if config.get("crf") is not None:
            crf_from_dict(config["crf"])
    except BadRequest as exc:
        raise BadWeights(
            f"weights for {exc.got}", exc.need, "use the version that trained them, or a newer one"
        ) from exc
    try:
        preparation_of(config)
    except BadRequest as exc:
        got = f"weights for frames prepared as this version cannot ({exc.got[:LONGEST_WORD]})"
        raise BadWeights(got, exc.need, "use the version that trained them") from exc


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
    if not all(t.isfinite().all() for t in tensors.values()):
        raise BadWeights(
            "weights with NaN or infinite values", "finite ones", "train again with a lower learning rate"
        )
