"""What every network keeps, whoever wrote it; all of them run it, at 64 px."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.exporting import INPUT, TOLERANCE, to_onnx, to_program
from trainer.networks import NETWORKS, build_network
from trainer.networks import stages as stages_of
from trainer.networks.base import Network
from trainer.networks.figures import MEASURED, measure
from trainer.preprocess import normalise
from trainer.weights import describe, load_weights, save_weights

SIDE = 64
ENSEMBLE = "mobilenetv2-unet+mobilenetv3-unet"
CLASSES = ("disc", "rest")
PLAIN = 3e-3, 2
LESSONS = {
    "fcn32s": (1e-4, 2),
    "fcn16s": (1e-4, 1),
    "fcn8s": (1e-4, 1),
    "segnet": (1e-3, 2),
    "deeplabv1": (1e-3, 2),
    "deeplabv2": (3e-5, 3),
    "deeplabv3": (1e-4, 2),
    "pspnet": (1e-4, 2),
    "residual-unet": (1e-3, 2),
}
"""Rate and steps, where two plain steps are too rash for a network that answers coarsely."""


@dataclass(frozen=True)
class Lesson:
    """A network after a few steps on four frames: Dice of the discs before and after, and the parameters that
    no gradient reached.
    """

    name: str
    network: Network
    before: float
    after: float
    unreached: list[str]


@pytest.fixture(scope="module", params=[*NETWORKS, ENSEMBLE])
def lesson(request: pytest.FixtureRequest) -> Lesson:
    """Each network is made and taught once, and then asked for all it must keep."""
    torch.manual_seed(0)
    network = build_network(request.param, len(CLASSES)).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.eval()  # they are to be learnt by heart
    images, truth = four_frames()
    rate, steps = LESSONS.get(request.param, PLAIN)
    logits = network(images)
    before, unreached = dice(logits, truth), list[str]()
    for step in range(steps):
        loss(logits, truth).backward()  # type: ignore[no-untyped-call]
        if step == 0:
            unreached = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        step_by_sign(network, rate)
        logits = network(images)
    with torch.no_grad():
        after = dice(logits, truth)
    network.zero_grad(set_to_none=True)
    return Lesson(request.param, network.requires_grad_(False).eval(), before, after, unreached)


def four_frames() -> tuple[Tensor, Tensor]:
    """Pictures of a dark disc on bright speckle, each in another quarter, and their truth, (4, 1, S, S):
    coarse enough for a network that sees 64 px as 2 x 2.
    """
    rng, quarter = np.random.default_rng(0), SIDE // 4
    y, x = np.mgrid[:SIDE, :SIDE]
    centres = [(row, column) for row in (quarter, 3 * quarter) for column in (quarter, 3 * quarter)]
    discs = np.stack([(y - cy) ** 2 + (x - cx) ** 2 < quarter**2 for cy, cx in centres])[:, np.newaxis]
    grey = np.where(discs, 40, 150) + rng.normal(0, 15, discs.shape)
    images = np.stack([normalise(frame[0].clip(0, 255).astype(np.uint8)) for frame in grey])
    return torch.from_numpy(images), torch.from_numpy(discs).float()


def loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Of the discs alone; the other class is there so that heads have more than one."""
    probs = logits[:, :1].sigmoid()
    overlap = (2 * (probs * truth).sum() + 1) / (probs.sum() + truth.sum() + 1)
    return functional.binary_cross_entropy_with_logits(logits[:, :1], truth) + 1 - overlap


def dice(logits: Tensor, truth: Tensor) -> float:
    found, axes = (logits[:, :1] > 0).float(), (1, 2, 3)
    return float((2 * (found * truth).sum(axes) / (found.sum(axes) + truth.sum(axes))).mean())


@torch.no_grad()
def step_by_sign(network: Network, rate: float) -> None:
    """Adam's first step, without moments to be made for up to 134 million numbers."""
    for parameter in network.parameters():
        assert parameter.grad is not None
        parameter.sub_(parameter.grad.sign_(), alpha=rate)
        parameter.grad.zero_()


def picture(height: int, width: int, frames: int = 1) -> Tensor:
    return torch.randn(frames, 1, height, width, generator=torch.Generator().manual_seed(1))


def test_gradients_reach_every_parameter(lesson: Lesson) -> None:
    assert lesson.unreached == []


def test_it_learns_four_frames(lesson: Lesson) -> None:
    assert lesson.after > lesson.before + 0.2


@torch.inference_mode()
@pytest.mark.parametrize(("height", "width"), [(33, 71), (32, 32)])
def test_it_answers_frames_of_odd_and_of_the_least_size(lesson: Lesson, height: int, width: int) -> None:
    logits, features = lesson.network.forward_with_features(picture(height, width, frames=2))
    assert logits.shape == (2, len(CLASSES), height, width)
    assert features.ndim == 4
    assert len(features) == 2
    assert logits.isfinite().all()
    assert features.isfinite().all()


@torch.inference_mode()
def test_it_survives_its_file_and_answers_the_same(lesson: Lesson, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    digest = save_weights(path, lesson.network, describe(lesson.name, CLASSES, SIDE))
    loaded, config = load_weights(path, digest)
    path.unlink()  # half a gigabyte each
    assert config["network"] == lesson.name
    assert torch.equal(loaded(picture(SIDE, SIDE)), lesson.network(picture(SIDE, SIDE)))


def test_its_stages_hold_every_parameter_once_and_end_with_the_head(lesson: Lesson) -> None:
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
def test_its_exported_graphs_answer_as_torch_does(lesson: Lesson) -> None:
    image = picture(SIDE, SIDE)
    expected = lesson.network(image)
    allowed = TOLERANCE * float(expected.abs().max())
    program = to_program(lesson.network, SIDE)
    assert (program.module()(image) - expected).abs().max() <= allowed
    session = onnxruntime.InferenceSession(to_onnx(program, {"size": SIDE}), quick_session())
    (answer,) = session.run(None, {INPUT: image.numpy()})
    assert np.abs(answer - expected.numpy()).max() <= allowed


def quick_session() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


@pytest.mark.parametrize("name", NETWORKS)
def test_its_kept_figures_are_those_that_are_measured(name: str) -> None:
    assert MEASURED[name] == measure(name), "put in what `python -m trainer.networks.figures` prints"
