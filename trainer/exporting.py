"""A trained network as a file that other programs run: torch's ExportedProgram, or ONNX.

The graph takes float32 (1, 1, S, S), S the side that the model was trained for, made from a frame as
`trainer.preprocess` does, and gives logits (1, classes, S, S); the sigmoid of one is a probability. What else
a reader must know, the model's own description, travels in the file.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loop.errors import BadRequest
from trainer.durable import write_whole
from trainer.weights import DESCRIPTION, load_weights

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

    from trainer.networks.base import Network

INPUT, OUTPUT = "image", "logits"
OPSET = 18
TOLERANCE = 1e-3
"""Of the largest logit, with an ensemble of any member's: so much may an exported graph's answer differ from
torch's.
"""


def export(weights: Path, kind: str, out: Path, digest: str | None = None) -> None:
    """Write a model as `kind`, "pt2" or "onnx", to a new file.

    Raises NotFound and BadWeights as `load_weights` does; BadRequest for another kind, for a file that is
    there already, or where the network cannot be had in that kind; OutOfSpace.
    """
    check_kind(kind)
    if out.exists():
        raise BadRequest(f"the file {out.name}, which is there already", "a new one", "choose another name")
    network, config = load_weights(weights, digest)
    try:
        data = KINDS[kind](to_program(network, config["size"]), config)
    except RuntimeError as exc:  # of both of torch's exporters
        others = " or ".join(each for each in KINDS if each != kind)
        got = f"a {config['network']} as {kind}, which torch cannot write"
        raise BadRequest(got, "another kind", f"try {others}") from exc
    write_whole(out, data)


def check_kind(kind: str) -> None:
    """Raise BadRequest for a kind of file that is not written here."""
    if kind not in KINDS:
        todo = "choose onnx for other programs, pt2 for torch"
        raise BadRequest(f"a file of kind {kind!r}", f"one of {', '.join(KINDS)}", todo)


def to_program(network: Network, size: int) -> ExportedProgram:
    """Make the graph of a network in evaluation mode for one frame of `size` x `size` px."""
    import torch

    device = next(network.parameters()).device
    return torch.export.export(network, (torch.zeros(1, 1, size, size, device=device),), strict=False)


def to_pt2(program: ExportedProgram, config: Mapping[str, Any]) -> bytes:
    """Pack a graph as `torch.export.load` reads it; the description is the extra file "sonoloop"."""
    import torch

    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={DESCRIPTION: json.dumps(config)})
    return buffer.getvalue()


def to_onnx(program: ExportedProgram, config: Mapping[str, Any]) -> bytes:
    """Pack a graph as ONNX, opset 18, input "image" and output "logits"; the description is among its
    metadata.
    """
    import onnx
    import torch

    size, buffer = config["size"], io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter takes ten times as long and gives the same graph. Both read the same program.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _frozen(program),
            (torch.zeros(1, 1, size, size),),
            buffer,  # type: ignore[arg-type] # the older exporter writes to files that are open, too
            dynamo=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            do_constant_folding=False,
        )
    note = onnx.StringStringEntryProto(key=DESCRIPTION, value=json.dumps(config))
    # Messages of protobuf are merged by being put one after another: half a gigabyte is not read again.
    return buffer.getvalue() + bytes(onnx.ModelProto(metadata_props=[note]).SerializeToString())


def _frozen(program: ExportedProgram) -> nn.Module:
    """An exported module refuses to be put into the mode that it is in; the older exporter insists."""
    from torch import Tensor, nn

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.graph = program.module()

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.graph(x)
            return logits

        def train(self, _: bool = True) -> Frozen:
            return self

    return Frozen()


KINDS: dict[str, Callable[[ExportedProgram, Mapping[str, Any]], bytes]] = {"onnx": to_onnx, "pt2": to_pt2}
