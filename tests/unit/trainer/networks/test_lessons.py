"""The lesson that every network is given finds out the ways in which one can be broken."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.lessons import Lesson, teach
from trainer.networks import build_network
from trainer.networks.base import Network
from trainer.networks.from_smp import EncoderDecoder

NAME = "mobilenetv2-unet"


def made() -> EncoderDecoder:
    torch.manual_seed(0)
    network = build_network(NAME, 2)
    assert isinstance(network, EncoderDecoder)
    return network


class CutOff(EncoderDecoder):
    """No gradient gets from the decoder to the encoder."""

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = [each.detach() for each in self.encoder(x)]
        return self.segmentation_head(self.decoder(features)), features[-1]


class Blind(EncoderDecoder):
    """It answers without having looked at the frame."""

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().compute(torch.ones_like(x))


class Forgetful(nn.BatchNorm2d):
    """Its running figures stay those of the beginning: right in training mode alone."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return functional.batch_norm(x, None, None, self.weight, self.bias, training=True)
        return super().forward(x)


def cut_off() -> Network:
    network = made()
    network.__class__ = CutOff
    return network


def blind() -> Network:
    network = made()
    network.__class__ = Blind
    return network


def with_a_frozen_head() -> Network:
    network = made()
    network.segmentation_head.requires_grad_(False)
    return network


def forgetful() -> Network:
    network = made()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = Forgetful
    return network


@pytest.fixture(scope="module")
def sound() -> Lesson:
    return teach(made())


def test_a_sound_network_has_no_flaws(sound: Lesson) -> None:
    assert sound.flaws == []
    assert sound.unreached == []


def test_an_encoder_that_no_gradient_reaches_is_found_out() -> None:
    lesson = teach(cut_off())
    assert {f"encoder{number} has stayed as it was" for number in range(1, 6)} <= set(lesson.flaws)
    assert any(name.startswith("encoder") for name in lesson.unreached)


def test_a_frozen_head_is_found_out() -> None:
    assert "head has stayed as it was" in teach(with_a_frozen_head()).flaws


def test_a_network_that_does_not_look_is_found_out() -> None:
    assert teach(blind()).flaws[-1] == "after 12 steps its Dice is None, not 0.8"


def test_running_figures_that_do_not_follow_are_found_out_by_serving(sound: Lesson) -> None:
    """In training mode this network knows the frames as well as a sound one."""
    lesson = teach(forgetful())
    assert lesson.after is not None
    assert lesson.after < 0.5 < (sound.after or 0)
    assert len(lesson.flaws) == 1


def test_one_step_less_than_it_takes_is_not_enough(sound: Lesson) -> None:
    assert teach(made(), budget=sound.steps - 1).flaws
