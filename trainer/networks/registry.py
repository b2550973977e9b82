"""The table of networks: one line an entry, and nothing else is needed to have one more.

A line names the paper (of an encoder in a U-Net: the encoder's), the library, and what builds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from loop.errors import BadRequest

if TYPE_CHECKING:
    from trainer.networks.base import Network

DECODER, HEAD = "decoder", "head"
STAGES = (*(f"encoder{number}" for number in range(1, 6)), DECODER, HEAD)
SMP, MONAI, OWN = "segmentation-models-pytorch", "MONAI", "own"
PLAIN, RELU, LEAKY = (32, 64, 128, 256, 512), ("relu", {"inplace": True}), ("leakyrelu", {"inplace": True})


@dataclass(frozen=True)
class Entry:
    """One network: who described it and when, which library it is from, and its builder.

    `builder` is MODULE.FUNCTION of `trainer.networks`; it takes the number of classes, the encoder's weights
    where `is_pretrained`, and `options`. `has_crf`: its paper ends with the dense CRF. `stages` are those of
    `Network.stages` in order: whoever reads a recipe must know them before torch is loaded.
    """

    authors: str
    year: int
    library: str
    builder: str
    options: dict[str, Any]
    is_pretrained: bool = False
    has_crf: bool = False
    stages: tuple[str, ...] = STAGES

    @property
    def paper(self) -> str:
        """Authors and year."""
        return f"{self.authors} {self.year}"

    @property
    def rates(self) -> tuple[int, ...]:
        """The atrous rates of its pyramid, as far as they can be chosen; none of most networks."""
        return tuple(self.options.get("decoder_atrous_rates", ()))

    def build(self, classes: int, encoder_weights: str | None) -> Network:
        """Make the network. Raises BadRequest for weights of an encoder where there are none, Unavailable."""
        module, function = self.builder.split(".")
        # Libraries take seconds to import: only processes that need a network pay for it.
        make: Callable[..., Network] = getattr(import_module(f"trainer.networks.{module}"), function)
        if self.is_pretrained:
            return make(classes, encoder_weights, **self.options)
        if encoder_weights is not None:
            raise BadRequest(
                f"{encoder_weights} weights for a network without any",
                "a network with an encoder that was published with weights",
                "begin from scratch or from a weight file, or take resnet34-unet",
            )
        return make(classes, **self.options)


def _smp(authors: str, year: int, architecture: str, encoder: str, **options: Any) -> Entry:
    options |= {"architecture": architecture, "encoder": encoder}
    return Entry(authors, year, SMP, "from_smp.build", options, is_pretrained=True)


def _atrous(year: int, architecture: str, stride: int, *rates: int) -> Entry:
    options = {"encoder_output_stride": stride, "decoder_atrous_rates": rates}
    return _smp("Chen et al.", year, architecture, "resnet34", stride=stride, **options)


def _vgg(authors: str, year: int, builder: str, has_crf: bool = False, **options: Any) -> Entry:
    return Entry(authors, year, OWN, builder, options, is_pretrained=True, has_crf=has_crf)


def _of(library: str, builder: str, authors: str, year: int, **options: Any) -> Entry:
    return Entry(authors, year, library, builder, options)


WITHOUT_DECODER = (*STAGES[:5], HEAD)
SEVEN_DEEP = (*STAGES[:5], "encoder6", "encoder7", DECODER, HEAD)
_unet = partial(_of, MONAI, "from_monai.unet")
_blocks = partial(_of, OWN, "skips.build")

NETWORKS: dict[str, Entry] = {
    "resnet34-unet": _smp("He et al.", 2016, "unet", "resnet34"),
    "unet": _unet("Ronneberger et al.", 2015, widths=(64, 128, 256, 512, 1024), activation=RELU),
    "unet-leakyrelu": _unet("Maas et al.", 2013, widths=PLAIN, activation=LEAKY),
    "unet-prelu": _unet("He et al.", 2015, widths=PLAIN, activation="prelu"),
    "unet-mish": _unet("Misra", 2020, widths=PLAIN, activation="mish"),
    "fcn32s": _vgg("Long et al.", 2015, "fcn.build", skips=0),
    "fcn16s": _vgg("Long et al.", 2015, "fcn.build", skips=1),
    "fcn8s": _vgg("Long et al.", 2015, "fcn.build", skips=2),
    "segnet": _vgg("Badrinarayanan et al.", 2017, "segnet.build"),
    "deeplabv1": _vgg("Chen et al.", 2015, "deeplab.build_v1", has_crf=True),
    "deeplabv2": Entry(
        "Chen et al.", 2018, OWN, "deeplab.build_v2", {}, is_pretrained=True, stages=WITHOUT_DECODER
    ),
    "deeplabv3": _atrous(2017, "deeplabv3", 8, 12, 24, 36),
    "deeplabv3plus": _atrous(2018, "deeplabv3plus", 16, 6, 12, 18),
    "deeplabv3plus-wide": _atrous(2018, "deeplabv3plus", 16, 12, 24, 36),
    "pspnet": _smp("Zhao et al.", 2017, "pspnet", "resnet34", stride=8, encoder_depth=5, output_stride=8),
    "unetplusplus": _smp("Zhou et al.", 2018, "unetplusplus", "resnet34"),
    "attention-unet": _of(MONAI, "from_monai.attention_unet", "Oktay et al.", 2018),
    "vnet": _of(MONAI, "from_monai.vnet", "Milletari et al.", 2016),
    "residual-unet": _blocks("Zhang et al.", 2018, block="residual"),
    "dilated-unet": _blocks("Vesal et al.", 2018, block="plain", deepest="dilated"),
    "dense-unet": _blocks("Guan et al.", 2020, block="dense"),
    "inception-unet": _blocks("Punn & Agarwal", 2020, block="inception"),
    "scse-unet": _smp("Roy et al.", 2018, "unet", "resnet34", decoder_attention_type="scse"),
    "manet": _smp("Fan et al.", 2020, "manet", "resnet34"),
    "nnunet": Entry("Isensee et al.", 2021, MONAI, "from_monai.nnunet", {}, stages=SEVEN_DEEP),
    "vgg16-unet": _smp("Simonyan & Zisserman", 2015, "unet", "vgg16_bn"),
    "mobilenetv2-unet": _smp("Sandler et al.", 2018, "unet", "mobilenet_v2"),
    "mobilenetv3-unet": _smp("Howard et al.", 2019, "unet", "tu-mobilenetv3_large_100"),
    "efficientnetb0-unet": _smp("Tan & Le", 2019, "unet", "efficientnet-b0"),
    "densenet121-unet": _smp("Huang et al.", 2017, "unet", "densenet121"),
    "inceptionv4-unet": _smp("Szegedy et al.", 2017, "unet", "inceptionv4"),
    "seresnet50-unet": _smp("Hu et al.", 2018, "unet", "se_resnet50"),
    "resnext50-unet": _smp("Xie et al.", 2017, "unet", "resnext50_32x4d"),
}
