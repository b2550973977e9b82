"""Networks of segmentation-models-pytorch: an encoder made to classify pictures, and a decoder on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPPPooling
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPBlock
from torch import Tensor, nn
from torch.nn import functional

from loop.errors import Unavailable
from trainer.networks.base import Network, Parts

DEEPEST = 32


class EncoderDecoder(Network):
    """One of the library's models behind our interface; its tensors keep the library's names."""

    def __init__(self, model: Any, multiple: int) -> None:
        super().__init__(multiple)
        self.encoder: nn.Module = model.encoder
        self.decoder: nn.Module = model.decoder
        self.segmentation_head: nn.Module = model.segmentation_head

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and the encoder's last features."""
        features = self.encoder(x)
        logits: Tensor = self.segmentation_head(self.decoder(features))
        return logits, features[-1]

    def parts(self) -> Parts:
        """The encoder by resolution, the decoder, the last convolution."""
        return Parts(encoder_stages(self.encoder), [self.segmentation_head], [self.decoder])


def build(
    classes: int,
    weights: str | None,
    *,
    architecture: str,
    encoder: str,
    stride: int = DEEPEST,
    **options: Any,
) -> EncoderDecoder:
    """Make a model for one grey channel; `stride` is that of its deepest features.

    Raises Unavailable when the encoder's weights cannot be fetched.
    """
    try:
        model = smp.create_model(architecture, encoder, weights, in_channels=1, classes=classes, **options)
    except OSError as exc:  # every failure of the model hub on the network or the disk is one
        raise Unavailable(
            f"no {weights} weights", "a connection to the internet", "try again later, or start from a file"
        ) from exc
    _prepare(model)
    return EncoderDecoder(model, stride)


def encoder_stages(encoder: Any) -> list[list[nn.Module]]:
    """Cut an encoder where its resolution falls; a kind that is not known here is one stage."""
    if hasattr(encoder, "layer4"):  # ResNet, ResNeXt, SE-ResNet
        stem = [encoder.layer0] if hasattr(encoder, "layer0") else [encoder.conv1, encoder.bn1]
        return [stem, *([getattr(encoder, f"layer{number}")] for number in (1, 2, 3, 4))]
    if hasattr(encoder, "_blocks"):  # EfficientNet
        ends = [end + 1 for end in encoder._out_indexes]
        return [[encoder._conv_stem, encoder._bn0], *_slices(encoder._blocks, ends)]
    if hasattr(encoder, "_out_indexes"):  # VGG, MobileNetV2, Inception
        return _slices(encoder.features, [end + 1 for end in encoder._out_indexes])
    if hasattr(getattr(encoder, "features", None), "denseblock4"):
        return _dense_stages(encoder.features)
    if hasattr(getattr(encoder, "model", None), "_stage_out_idx"):  # timm's MobileNetV3 and EfficientNets
        first, *others = _slices(encoder.model.blocks, sorted(encoder.model._stage_out_idx))
        return [[encoder.model.conv_stem, encoder.model.bn1, *first], *others]
    return [[encoder]]


def _dense_stages(features: Any) -> list[list[nn.Module]]:
    """DenseNet's skips leave in the middle of its transitions."""
    stages = [[features.conv0, features.norm0], [features.denseblock1, features.transition1.norm]]
    for before, block, after in (
        (features.transition1, features.denseblock2, features.transition2.norm),
        (features.transition2, features.denseblock3, features.transition3.norm),
        (features.transition3, features.denseblock4, features.norm5),
    ):
        stages.append([before.conv, block, after])
    return stages


def _prepare(model: Any) -> None:
    """Take out what the library makes and never runs: the end of EfficientNet's classifier, and attention to
    a skip where there is none. Let one frame be a batch where each channel has one value for the whole frame,
    and pool in operations that can be exported.
    """
    for name in ("_conv_head", "_bn1"):
        if hasattr(model.encoder, name):
            delattr(model.encoder, name)
    blocks = getattr(model.decoder, "blocks", None)
    if isinstance(blocks, nn.ModuleList) and hasattr(blocks[-1], "attention1"):
        blocks[-1].attention1 = nn.Identity()
    for module in model.modules():
        if isinstance(module, ASPPPooling):
            module[2] = PooledNorm(module[2].num_features)
        if isinstance(module, PSPBlock):
            module.pool[0] = EvenPool(module.pool_size)


class PooledNorm(nn.BatchNorm2d):
    """Batch normalisation that takes its running figures where a batch holds one value a channel, which
    torch refuses.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 1, 1) to the same."""
        if self.training and x.shape[0] == 1:
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)
        return super().forward(x)


class EvenPool(nn.Module):
    """As `AdaptiveAvgPool2d`, in operations that ONNX has for sides that the cells do not divide."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, cells, cells)."""
        rows = torch.stack([x[:, :, part].mean(2) for part in self._parts(x.shape[2])], dim=2)
        return torch.stack([rows[..., part].mean(3) for part in self._parts(x.shape[3])], dim=3)

    def _parts(self, side: int) -> list[slice]:
        """What each cell covers; neighbours overlap where it does not come out even."""
        cells = range(self.cells)
        return [slice(cell * side // self.cells, -((cell + 1) * -side // self.cells)) for cell in cells]


def _slices(modules: Iterable[nn.Module], ends: Sequence[int]) -> list[list[nn.Module]]:
    each = list(modules)
    slices = [each[start:end] for start, end in pairwise((0, *ends))]
    return [part for part in slices if any(True for module in part for _ in module.parameters())]
