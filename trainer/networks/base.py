"""What everything else knows of a network, whatever library it comes from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from loop.errors import BadRequest
from trainer.networks.registry import DECODER, HEAD
from trainer.preprocess import MEAN, STD

LEAST_SIDE = 32
BLACK = -MEAN / STD
"""What `trainer.preprocess` pads with, as the network sees it."""


@dataclass(frozen=True)
class Parts:
    """A network's modules in order from the input: those of each stage of the encoder, of the decoder, and
    of the head, whose tensors all have the class as their first axis.
    """

    encoder: Sequence[Iterable[nn.Module]]
    head: Iterable[nn.Module]
    decoder: Iterable[nn.Module] = ()


class Network(nn.Module):
    """Maps float32 (N, 1, H, W), H and W at least 32, to logits (N, classes, H, W).

    `multiple` and `least` (px) say what sides `compute` takes; other sides are padded with black at the
    bottom and on the right, and the answer is cut again.
    """

    def __init__(self, multiple: int, least: int = LEAST_SIDE) -> None:
        super().__init__()
        self.multiple, self.least = multiple, least

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits. Raises BadRequest for an input of another shape."""
        return self.forward_with_features(x)[0]

    def forward_with_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the logits and the deepest features, (N, D, h, w), whose cells cover the (padded) input.

        Raises BadRequest for an input of another shape.
        """
        _check_shape(x)
        height, width = x.shape[-2:]
        right, bottom = self._missing(width), self._missing(height)
        if right or bottom:
            x = functional.pad(x, (0, right, 0, bottom), value=BLACK)
        self._check_batch(x)
        logits, features = self.compute(x)
        return logits[..., :height, :width], features

    @abstractmethod
    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and deepest features of an input whose sides need no padding."""

    @abstractmethod
    def parts(self) -> Parts:
        """Its modules in order; every parameter belongs to exactly one of them."""

    def stages(self) -> dict[str, nn.Module]:
        """Its stages in order from the input: "encoder1", "encoder2" and so on, "decoder", "head".

        Each holds the parameters that are trained or frozen together; one without any is left out.
        """
        parts = self.parts()
        named = [(f"encoder{number}", modules) for number, modules in enumerate(parts.encoder, 1)]
        named += [(DECODER, parts.decoder), (HEAD, parts.head)]
        stages = {name: nn.ModuleList(modules) for name, modules in named}
        return {name: stage for name, stage in stages.items() if any(True for _ in stage.parameters())}

    def head_names(self) -> frozenset[str]:
        """Name the head's tensors as the state dict does: the first axis of each is the class."""
        inside = {id(parameter) for parameter in self.stages()[HEAD].parameters()}
        return frozenset(name for name, parameter in self.named_parameters() if id(parameter) in inside)

    def _check_batch(self, x: Tensor) -> None:
        """Batch normalisation learns nothing from a single value a channel, and torch refuses it."""
        cells = x.shape[0] * (x.shape[-2] // self.multiple) * (x.shape[-1] // self.multiple)
        if self.training and cells < 2:
            got = f"one frame of {x.shape[-1]} × {x.shape[-2]} px to train on"
            need = f"two a batch, or sides of at least {2 * self.multiple} px"
            raise BadRequest(got, need, "take a larger batch or size in the recipe, or label more frames")

    def _missing(self, side: int) -> int:
        return max(-(-side // self.multiple) * self.multiple, self.least) - side


def _check_shape(x: Tensor) -> None:
    if x.ndim != 4 or x.shape[1] != 1:
        todo = "give frames as `trainer.preprocess` makes them"
        raise BadRequest(f"an input of shape {tuple(x.shape)}", "(N, 1, H, W): one grey channel", todo)
    if min(x.shape[-2:]) < LEAST_SIDE:
        got = f"a frame of {x.shape[-1]} × {x.shape[-2]} px"
        raise BadRequest(got, f"sides of at least {LEAST_SIDE} px", "enlarge it, or add black at its edges")
