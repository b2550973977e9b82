"""What single networks are known for, and what the registry refuses."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional

from loop.errors import BadRequest
from trainer.networks import DEFAULT_NETWORK, NETWORKS, build_empty, build_network, members, stages
from trainer.networks.base import Network
from trainer.networks.ensemble import Ensemble, mean_logit
from trainer.networks.from_smp import EvenPool
from trainer.networks.segnet import unpool

SMALL = "mobilenetv2-unet"


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def in_colour(name: str, classes: int) -> int:
    """Parameters as the papers count them: three channels in, so many classes, no batch normalisation."""
    network = build_empty(name, classes)
    norms = sum(size(module) for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    return size(network) - norms + 2 * first.weight.numel()


def rates(name: str, part: str) -> list[int]:
    """The dilations of the 3 x 3 convolutions below one part of a network, in order."""
    named = build_empty(name, 1).named_modules()
    convolutions = [each for where, each in named if isinstance(each, nn.Conv2d) and where.startswith(part)]
    found = [each for each in convolutions if each.kernel_size == (3, 3)]
    assert all(each.padding == each.dilation for each in found if each.stride == (1, 1)), "the size is kept"
    return [int(each.dilation[0]) for each in found if each.dilation != (1, 1)]


@pytest.mark.parametrize(
    ("name", "part", "expected"),
    [
        ("deeplabv1", "encoder", [2, 2, 2]),
        ("deeplabv1", "fc", [12]),
        ("deeplabv2", "encoder.layer3", [2] * 23),
        ("deeplabv2", "encoder.layer4", [4] * 3),
        ("deeplabv2", "scores", [6, 12, 18, 24]),
        ("deeplabv3", "decoder", [12, 24, 36]),
        ("deeplabv3", "encoder.layer4", [4] * 6),
        ("deeplabv3plus", "decoder", [6, 12, 18]),
        ("deeplabv3plus", "encoder.layer4", [2] * 6),
        ("deeplabv3plus-wide", "decoder", [12, 24, 36]),
        ("deeplabv3plus-wide", "encoder.layer4", [2] * 6),
        ("dilated-unet", "down", [2, 4, 8]),
    ],
)
def test_atrous_rates_are_those_of_the_papers_as_documented(
    name: str, part: str, expected: list[int]
) -> None:
    """Only the rates of deeplabv3plus-wide are no paper's, see docs/networks.md."""
    assert rates(name, part) == expected


@pytest.mark.parametrize(
    ("name", "widened"), [("deeplabv3", 1), ("deeplabv3plus", 1), ("deeplabv3plus-wide", 2)]
)
def test_atrous_rates_belong_to_the_stride_that_the_features_really_have(name: str, widened: int) -> None:
    """6, 12 and 18 at stride 16: 96, 192 and 288 px of the frame, at stride 8 as well."""
    _, features = build_empty(name, 1).eval().forward_with_features(torch.empty(1, 1, 64, 96, device="meta"))
    stride = 64 // features.shape[-2]
    assert features.shape[-2:] == (64 // stride, 96 // stride)
    seen = [rate * stride for rate in rates(name, "decoder")]
    assert seen == [widened * pixels for pixels in (96, 192, 288)]


@pytest.mark.parametrize("name", ["unet-leakyrelu", "nnunet"])
def test_leaky_units_have_a_slope_of_a_hundredth(name: str) -> None:
    slopes = {
        each.negative_slope for each in build_empty(name, 1).modules() if isinstance(each, nn.LeakyReLU)
    }
    assert slopes == {0.01}


@pytest.mark.parametrize(
    ("name", "millions"),
    [("fcn32s", 134.3), ("fcn16s", 134.4), ("fcn8s", 134.4), ("deeplabv1", 20.5), ("segnet", 29.4)],
)
def test_networks_on_vgg16_have_their_papers_parameters_with_21_classes(name: str, millions: float) -> None:
    assert round(in_colour(name, 21) / 1e6, 1) == millions


def test_fcn8s_has_the_layers_of_its_paper() -> None:
    """VGG-16's thirteen convolutions, fc6, fc7, three scores with a bias, and two kernels a class."""
    widths = [3, 64, 64, 128, 128, 256, 256, 256, *[512] * 6]
    vgg = sum(9 * inside * out + out for inside, out in pairwise(widths))
    full = (49 * 512 * 4096 + 4096) + (4096 * 4096 + 4096)
    scores = sum(width * 21 + 21 for width in (4096, 512, 256))
    assert in_colour("fcn8s", 21) == vgg + full + scores + 2 * 21 * 16


def test_unet_has_the_parameters_of_its_paper_with_two_classes() -> None:
    network = build_empty("unet", 2)
    norms = sum(size(module) for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    widths = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
    widths += [(512, 1024), (1024, 1024), (1024, 512), (512, 512), (512, 256), (256, 256), (256, 128)]
    widths += [(128, 128), (128, 64), (64, 64)]
    blocks = sum(9 * inside * out + out for inside, out in widths)
    ups = sum(4 * inside * out + out for inside, out in ((1024, 512), (512, 256), (256, 128), (128, 64)))
    # The library's last transposed convolution keeps 64 of 128 channels of its own accord: it does not halve.
    assert 0 <= size(network) - norms - (blocks + ups + 64 * 2 + 2) <= 100_000


def test_unet_leakyrelu_has_32_to_512_channels_and_leaks() -> None:
    network = build_empty("unet-leakyrelu", 1)
    widths = {module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)}
    assert widths == {1, 32, 64, 128, 256, 512}
    assert any(isinstance(module, nn.LeakyReLU) for module in network.modules())


def test_unpooling_puts_the_maxima_where_they_were() -> None:
    x = torch.randn(2, 3, 8, 12)
    pooled, places = functional.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(unpool(pooled, places), functional.max_unpool2d(pooled, places, [2, 2]))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (13, 7)])
@pytest.mark.parametrize("cells", [1, 2, 3, 6])
def test_pspnet_pools_evenly(cells: int, height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width)
    assert torch.allclose(EvenPool(cells)(x), functional.adaptive_avg_pool2d(x, cells), atol=1e-6)


def test_fcn_upsamples_bilinearly_before_it_learns() -> None:
    network = build_network("fcn16s", 3)
    x = torch.randn(1, 3, 5, 6)
    doubled = network.upsamples[0](x)[..., 1:-1, 1:-1]  # type: ignore[index,operator]
    expected = functional.interpolate(x, scale_factor=2, mode="bilinear")[..., 1:-1, 1:-1]
    assert torch.allclose(doubled, expected, atol=1e-6)


@torch.inference_mode()
def test_an_ensemble_answers_with_the_mean_of_its_members_probabilities() -> None:
    torch.manual_seed(0)
    ensemble = build_network(f"{SMALL}+{SMALL}", 2).eval()
    assert isinstance(ensemble, Ensemble)
    x = torch.randn(1, 1, 40, 64)
    answers = [member(x).sigmoid() for member in ensemble.members]
    assert not torch.allclose(answers[0], answers[1], atol=1e-3), "each member begins on its own"
    assert torch.allclose(ensemble(x).sigmoid(), (answers[0] + answers[1]) / 2, atol=1e-6)
    assert ensemble.forward_with_features(x)[1].shape[1] == 2 * 1280


def test_the_mean_of_certain_answers_stays_finite() -> None:
    logits = torch.tensor([[1e4, -1e4, 300.0], [1e4, -1e4, -300.0]])
    assert mean_logit(logits).isfinite().all()
    assert mean_logit(logits)[2] == pytest.approx(0)


def test_an_ensemble_s_stages_are_those_of_all_members_together() -> None:
    ensemble = build_network(f"{SMALL}+deeplabv3plus", 1)
    assert list(ensemble.stages()) == [*(f"encoder{number}" for number in range(1, 6)), "decoder", "head"]
    names = {name.split(".")[1] for name in ensemble.head_names()}
    assert names == {"0", "1"}


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("resnet34unet", "resnet34-unet"), ("UNet", "unet"), ("fcn-8s", "fcn8s"), ("x" * 999, DEFAULT_NETWORK)],
)
def test_an_unknown_network_is_refused_with_the_nearest_names(wrong: str, near: str) -> None:
    for name in (wrong, f"{SMALL}+{wrong}"):
        with pytest.raises(BadRequest) as refused:
            build_network(name, 1)
        assert near in refused.value.message
        assert len(refused.value.message) < 300


@pytest.mark.parametrize("name", ["", "+", f"{SMALL}+", "+".join([SMALL] * 9)])
def test_an_ensemble_of_nothing_or_of_too_many_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        build_network(name, 1)


@pytest.mark.parametrize("name", [f"{SMALL}+", f"+{SMALL}", "+"])
def test_an_ensemble_with_an_empty_place_is_told_what_is_wrong_with_it(name: str) -> None:
    with pytest.raises(BadRequest, match=r"a \+ without a network beside it.*resnet34-unet\+fcn8s"):
        members(name)


@pytest.mark.parametrize(("written", "meant"), [("deeplabv3+", "deeplabv3plus"), ("unet++", "unetplusplus")])
def test_a_network_spelt_as_in_its_paper_is_told_by_its_name_here(written: str, meant: str) -> None:
    with pytest.raises(BadRequest, match=f"write {meant}$"):
        members(written)


@pytest.mark.parametrize("name", ["deeplabv2", "nnunet", f"{SMALL}+deeplabv2", "deeplabv2+nnunet", SMALL])
def test_stages_are_known_by_name_as_the_network_has_them(name: str) -> None:
    assert stages(name) == list(build_empty(name, 1).stages())


@pytest.mark.parametrize("classes", [-1, 0, 255])
def test_a_number_of_classes_that_no_index_map_holds_is_refused(classes: int) -> None:
    with pytest.raises(BadRequest, match="1 to 254"):
        build_network(SMALL, classes)


@torch.inference_mode()
def test_254_classes_are_not_too_many() -> None:
    assert build_network(SMALL, 254).eval()(torch.zeros(1, 1, 32, 32)).shape[1] == 254


@pytest.mark.parametrize("shape", [(1, 1, 31, 64), (1, 1, 64, 31), (1, 3, 64, 64), (1, 64, 64)])
def test_an_input_that_it_cannot_take_is_refused_with_what_it_needs(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadRequest, match="need"):
        build_empty(SMALL, 1)(torch.zeros(shape))


@pytest.mark.parametrize("name", [SMALL, "deeplabv3", "deeplabv3plus"])
def test_one_frame_of_two_cells_is_batch_enough_to_train_on(name: str) -> None:
    build_network(name, 1).train()(torch.randn(1, 1, 64, 64))


def test_one_frame_of_one_cell_is_refused_as_a_batch_to_train_on() -> None:
    with pytest.raises(BadRequest, match="two a batch"):
        build_network(SMALL, 1).train()(torch.randn(1, 1, 32, 32))


def test_encoder_weights_are_refused_where_there_is_no_such_encoder() -> None:
    with pytest.raises(BadRequest, match="from scratch"):
        build_network("nnunet", 1, "imagenet")


def test_the_networks_that_homes_already_hold_keep_their_tensors_names() -> None:
    for name in (SMALL, "resnet34-unet"):
        state = build_empty(name, 1).state_dict()
        assert {key.split(".")[0] for key in state} == {"encoder", "decoder", "segmentation_head"}
        assert isinstance(build_empty(name, 1), Network)


def test_every_entry_says_who_described_it_and_where_it_comes_from() -> None:
    assert len(NETWORKS) >= 30
    for name, entry in NETWORKS.items():
        assert name == name.lower()
        assert "+" not in name
        assert 2010 <= entry.year <= 2026
        assert entry.authors
        assert entry.library
