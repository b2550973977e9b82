from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from trainer.networks import build_network
from trainer.pretraining import PretrainingConfig, Progress, pretrain
from trainer.pretraining.appearance import vary_appearance
from trainer.pretraining.cache import draw_set
from trainer.pretraining.fit import one_cycle
from trainer.pretraining.score import LabelledFolder, score
from trainer.weights import load_weights

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
TINY = PretrainingConfig(
    n_frames=4,
    epochs=2,
    size=96,
    early_size=64,
    early_epochs=1,
    batch=2,
    workers=1,
    threads=1,
    has_bf16=False,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Progress]]:
    reports: list[Progress] = []
    return pretrain(tmp_path_factory.mktemp("made"), TINY, reports.append), reports


def test_pretraining_writes_fp16_weights_that_a_fresh_network_takes(
    made: tuple[Path, list[Progress]],
) -> None:
    tensors = load_file(made[0])
    assert {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} == {torch.float16}
    build_network("resnet34-unet", 1).load_state_dict(tensors)
    _, description = load_weights(made[0])
    assert (description["network"], description["classes"], description["size"]) == (
        "resnet34-unet",
        ["vessel"],
        96,
    )


def test_pretraining_reports_every_phantom_and_every_step(made: tuple[Path, list[Progress]]) -> None:
    stages = [(report.stage, report.done, report.total) for report in made[1]]
    assert stages == [("phantoms", 4, 4), *(("training", step, 4) for step in range(1, 5))]
    assert all(np.isfinite(report.loss or 0.0) for report in made[1])


@pytest.mark.full
def test_pretraining_stopped_after_an_epoch_goes_on_to_the_same_weights(
    made: tuple[Path, list[Progress]], tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(epoch: int, network: torch.nn.Module) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        pretrain(tmp_path, TINY, lambda report: None, stop)
    steps: list[Progress] = []
    resumed = pretrain(tmp_path, TINY, steps.append)
    assert [step.done for step in steps if step.stage == "training"] == [3, 4]
    whole, continued = load_file(made[0]), load_file(resumed)
    assert all(torch.equal(whole[name], continued[name]) for name in whole)


def test_drawn_phantoms_are_read_back_and_not_drawn_again(tmp_path: Path) -> None:
    first = draw_set(tmp_path, 3, 64, 1, 1, lambda done, total: None)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = draw_set(tmp_path, 3, 64, 1, 1, lambda done, total: None)
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert first.images.shape == first.masks.shape == (3, 64, 64)
    assert (first.images == again.images).all()
    assert set(np.unique(first.masks)) <= {0, 1}


def test_a_changed_look_leaves_vessels_in_place_but_for_what_a_border_hides() -> None:
    image = np.full((64, 64), 90, np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 1
    for seed in range(40):
        changed, kept = vary_appearance(np.random.default_rng(seed), image, mask)
        assert changed.dtype == kept.dtype == np.uint8
        assert ((kept == mask) | ((kept == 0) & (changed == 0))).all()
    assert image.min() == 90


def test_the_rate_rises_to_its_peak_and_falls_to_nearly_nothing() -> None:
    rates = [one_cycle(share) for share in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.04)
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert np.argmax(rates) == 30
    assert rates[-1] < 1e-3


class _Bright(torch.nn.Module):
    """Calls bright pixels vessel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 50


def test_a_score_counts_overlaps_and_empty_frames_apart(tmp_path: Path) -> None:
    import cv2

    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    blob = np.zeros((64, 64), np.uint8)
    blob[10:30, 10:30] = 255
    for name, image, mask in (("a", blob, blob), ("b", blob, 0 * blob), ("c", 0 * blob, 0 * blob)):
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image)
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), mask)
    result = score(_Bright(), LabelledFolder(tmp_path / "images", tmp_path / "masks", 255), 64)
    assert result.dices.tolist() == [1.0]
    assert (result.empty_frames, result.kept_empty) == (2, 1)
    assert "Dice mean 1.000" in result.sentence()
