"""What every network keeps, whoever wrote it; all of them run it, at 64 px."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from tests.lessons import RATE, SIDE, Lesson, teach
from trainer.exporting import INPUT, TOLERANCE, to_onnx, to_program
from trainer.networks import NETWORKS, build_network
from trainer.networks import stages as stages_of
from trainer.networks.base import Network
from trainer.networks.ensemble import Ensemble
from trainer.networks.figures import MEASURED, measure
from trainer.weights import describe, load_weights, save_weights

ENSEMBLE = "mobilenetv2-unet+mobilenetv3-unet"
CLASSES = ("disc", "rest")
RATES = {"fcn32s": 5e-5, "fcn16s": 5e-5, "fcn8s": 5e-5, "segnet": 2e-4, "deeplabv2": 3e-4}
"""Where the usual rate is too rash, as nothing normalises the 4096 channels of fc6 and fc7, or takes more
steps.
"""


@dataclass(frozen=True)
class Taught(Lesson):
    """A network of the registry by name, after its lesson."""

    name: str


@pytest.fixture(scope="module", params=[*NETWORKS, ENSEMBLE])
def lesson(request: pytest.FixtureRequest) -> Taught:
    """Each network is made and taught once, and then asked for all it must keep. By two threads: with one
    torch goes another way for small maps of thousands of channels, several times as slow.
    """
    torch.manual_seed(0)
    network = build_network(request.param, len(CLASSES))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    done = teach(network, RATES.get(request.param, RATE))
    torch.set_num_threads(before)
    return Taught(**vars(done), name=request.param)


def picture(height: int, width: int, frames: int = 1) -> Tensor:
    return torch.randn(frames, 1, height, width, generator=torch.Generator().manual_seed(1))


def test_gradients_reach_every_parameter(lesson: Taught) -> None:
    assert lesson.unreached == []


def test_it_learns_four_frames_by_heart_and_knows_them_when_it_serves(lesson: Taught) -> None:
    assert lesson.flaws == []


@torch.inference_mode()
@pytest.mark.parametrize(("height", "width"), [(33, 71), (32, 32)])
def test_it_answers_frames_of_odd_and_of_the_least_size(lesson: Taught, height: int, width: int) -> None:
    logits, features = lesson.network.forward_with_features(picture(height, width, frames=2))
    assert logits.shape == (2, len(CLASSES), height, width)
    assert features.ndim == 4
    assert len(features) == 2
    assert logits.isfinite().all()
    assert features.isfinite().all()


@torch.inference_mode()
def test_it_survives_its_file_and_answers_the_same(lesson: Taught, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    digest = save_weights(path, lesson.network, describe(lesson.name, CLASSES, SIDE))
    loaded, config = load_weights(path, digest)
    path.unlink()  # half a gigabyte each
    assert config["network"] == lesson.name
    assert torch.equal(loaded(picture(SIDE, SIDE)), lesson.network(picture(SIDE, SIDE)))


def test_its_stages_hold_every_parameter_once_and_end_with_the_head(lesson: Taught) -> None:
    stages = lesson.network.stages()
    held = [id(parameter) for stage in stages.values() for parameter in stage.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in lesson.network.parameters())
    assert next(iter(stages)) == "encoder1"
    assert list(stages)[-1] == "head"
    assert list(stages) == stages_of(lesson.name), "put in the registry what the network has"
    state = lesson.network.state_dict()
    assert lesson.network.head_names()
    assert all(len(state[name]) == len(CLASSES) for name in lesson.network.head_names())


@pytest.mark.full
@torch.inference_mode()
def test_its_exported_graphs_answer_as_torch_does(lesson: Taught) -> None:
    image = picture(SIDE, SIDE)
    expected = lesson.network(image)
    allowed = TOLERANCE * largest_logit(lesson.network, image)
    program = to_program(lesson.network, SIDE)
    assert (program.module()(image) - expected).abs().max() <= allowed
    session = onnxruntime.InferenceSession(to_onnx(program, {"size": SIDE}), quick_session())
    (answer,) = session.run(None, {INPUT: image.numpy()})
    assert np.abs(answer - expected.numpy()).max() <= allowed


def largest_logit(network: Network, image: Tensor) -> float:
    """Of any member: one that is very sure brings its errors of rounding into the answer, not its logits."""
    members = network.members if isinstance(network, Ensemble) else [network]
    return max(float(member(image).abs().max()) for member in members)


def quick_session() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


@pytest.mark.parametrize("name", NETWORKS)
def test_its_kept_figures_are_those_that_are_measured(name: str) -> None:
    assert MEASURED[name] == measure(name), "put in what `python -m trainer.networks.figures` prints"
