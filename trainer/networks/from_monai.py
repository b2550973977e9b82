"""Networks of MONAI, run block by block here: so that their deepest features can be had, and each tensor has
one name (the library registers some blocks twice).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets.attentionunet import AttentionUnet
from monai.networks.nets.basic_unet import BasicUNet
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.vnet import VNet
from torch import Tensor, nn

from trainer.networks.skips import SkipNetwork

WIDTHS = (32, 64, 128, 256, 512)


class Gate(nn.Module):
    """One level of Attention U-Net on its way up."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.attention, self.upconv, self.merge = layer.attention, layer.upconv, layer.merge

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Let what comes from below choose where to look at the skip."""
        below = self.upconv(x)
        merged: Tensor = self.merge(torch.cat((self.attention(g=below, x=skip), below), dim=1))
        return merged


def unet(classes: int, *, widths: Sequence[int], activation: str | tuple[str, dict[str, Any]]) -> SkipNetwork:
    """U-Net (Ronneberger et al. 2015) with batch normalisation, padded, of any widths and activation."""
    net = BasicUNet(2, 1, classes, (*widths, widths[0]), act=activation, norm="batch")
    down = [net.conv_0, net.down_1, net.down_2, net.down_3, net.down_4]
    return SkipNetwork(down, [net.upcat_4, net.upcat_3, net.upcat_2, net.upcat_1], net.final_conv)


def attention_unet(classes: int) -> SkipNetwork:
    """Attention U-Net (Oktay et al. 2018) in two dimensions."""
    net: Any = AttentionUnet(2, 1, classes, WIDTHS, (2, 2, 2, 2))
    stem, layer, head = net.model
    down, up = [stem], list[nn.Module]()
    while True:
        up.insert(0, Gate(layer))
        if not isinstance(layer.submodule, nn.Sequential):
            return SkipNetwork([*down, layer.submodule], up, head.conv)
        block, layer = layer.submodule
        down.append(block)


def vnet(classes: int) -> SkipNetwork:
    """V-Net (Milletari et al. 2016) in two dimensions: residual blocks of 5 x 5, PReLU, dropout; its last
    layer is one convolution of 1 x 1, as in the paper.
    """
    net = VNet(2, 1, classes, act="prelu", dropout_dim=2)
    down = [net.in_tr, net.down_tr32, net.down_tr64, net.down_tr128, net.down_tr256]
    up = [net.up_tr256, net.up_tr128, net.up_tr64, net.up_tr32]
    return SkipNetwork(down, up, nn.Conv2d(32, classes, 1))


def nnunet(classes: int) -> SkipNetwork:
    """The plain network of nnU-Net (Isensee et al. 2021) as it plans it for frames of 256 px: seven levels,
    32 to 512 channels, instance normalisation, LeakyReLU. Deep supervision is left out.
    """
    levels = 7
    net = DynUNet(2, 1, classes, [3] * levels, [1] + [2] * (levels - 1), [2] * (levels - 1))
    down = [net.input_block, *net.downsamples, net.bottleneck]
    return SkipNetwork(down, net.upsamples, net.output_block.conv)
