"""What a training does with its frames, and how it ends."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from loop.errors import BadInput
from loop.masks import pack
from loop.training_records import Split
from tests.discs import TINY, disc_job, draw_disc
from tests.trainings import Run, run
from trainer.endings import NonFiniteLoss
from trainer.recipes import RECIPES
from trainer.training import begin, train
from trainer.weights import load_weights


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, reference: Run) -> None:
    assert run(begin(disc_job(tmp_path, out="same"))).digest == reference.digest
    assert run(begin(disc_job(tmp_path, out="other", seed=2))).digest != reference.digest


@pytest.mark.parametrize(
    ("precision", "optimizer"), [("float32", "adamw"), ("float16", "adamw"), ("float16", "radam")]
)
def test_a_gradient_longer_than_the_norm_is_shortened_to_it(
    tmp_path: Path, precision: str, optimizer: str
) -> None:
    """In float16 too, where the gradients come scaled up, and the first ones overflow and are left out."""
    recipe = replace(TINY, epochs=1, min_epochs=1, steps=8, epoch_steps=8)
    recipe = replace(recipe, optimizer=optimizer, precision=precision, clip_norm=1e-2)
    training = begin(disc_job(tmp_path, recipe))
    lengths: list[float] = []

    def measure(*_: object) -> None:
        gradients = [p.grad.flatten() for p in training.network.parameters() if p.grad is not None]
        lengths.append(torch.cat(gradients).norm().item())

    training.optimizer.register_step_pre_hook(measure)
    list(train(training))
    taken = [length for length in lengths if np.isfinite(length)]
    assert len(taken) >= 2
    assert taken == pytest.approx([1e-2] * len(taken), rel=1e-3)
    assert all(parameter.isfinite().all() for parameter in training.network.parameters())


def test_a_gradient_shorter_than_the_norm_stays_as_it_is(tmp_path: Path, reference: Run) -> None:
    training = begin(disc_job(tmp_path, replace(TINY, clip_norm=1e6)))
    assert [report.loss for report in train(training)] == [report.loss for report in reference.reports]


def test_held_out_frames_have_no_say_in_the_weights(tmp_path: Path, reference: Run) -> None:
    job = disc_job(tmp_path)
    empty = pack(np.zeros((1, 80, 100), np.bool_))
    for sample in job.of_split(Split.HELD_OUT):
        sample.mask.write_bytes(empty)
    assert run(begin(job)).digest == reference.digest


def test_reports_tell_how_far_it_is(reference: Run) -> None:
    assert [report.epoch for report in reference.reports] == [1, 2, 3]
    assert all(report.seconds > 0 and report.loss > 0 for report in reference.reports)
    assert reference.reports[-1].eta_seconds == 0 < reference.reports[0].eta_seconds
    assert {step.step for step in reference.steps} == set(range(7))
    assert {step.steps for step in reference.steps} == {6}


def test_unusable_samples_are_named_and_the_others_are_trained_on(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    job.samples[0].image.write_bytes(b"not a picture")
    job.samples[1].mask.write_bytes(pack(np.zeros((1, 7, 9), np.bool_)))
    job.samples[2].mask.unlink()
    training = begin(job)
    assert [sample.frame_id for sample, _ in training.frames.rejected] == [0, 1, 2]
    assert len(training.frames) == 5
    assert "(1, 80, 100)" in training.frames.rejected[1][1].message
    for sample in job.of_split(Split.TRAIN):
        sample.image.unlink(missing_ok=True)
    with pytest.raises(BadInput, match="none usable"):
        begin(job)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    recipe = replace(TINY, learning_rate=1e30, schedule="constant", optimizer="adam")
    job = disc_job(tmp_path, recipe)
    with pytest.raises(NonFiniteLoss, match="lower the learning rate"):
        list(train(begin(job)))
    assert list(job.out.iterdir()) == []


def test_classes_that_no_training_frame_shows_are_named_and_the_others_are_trained(tmp_path: Path) -> None:
    job = disc_job(tmp_path, replace(TINY, steps=1, min_epochs=1), classes=("Nerve", "Vein", "Artery"))
    nothing, [disc] = np.zeros((80, 100), np.bool_), draw_disc(0)[1]
    for sample in job.samples:
        sample.mask.write_bytes(pack(np.stack([nothing, disc, nothing])))
    training = begin(job)
    assert training.absent == ("Nerve", "Artery")
    assert all(np.isfinite(report.loss) for report in train(training))
    for sample in job.of_split(Split.TRAIN):
        sample.mask.write_bytes(pack(np.stack([nothing, nothing, nothing])))
    assert begin(job).absent == ("Nerve", "Vein", "Artery")
    job.samples[5].mask.write_bytes(pack(np.stack([disc, ~disc, nothing])))
    job.samples[7].mask.write_bytes(pack(np.stack([nothing, nothing, disc])))
    assert begin(job).absent == ()


@pytest.mark.parametrize("name", ["fast", "paper", "thorough"])
def test_a_single_frame_is_enough_to_train_on(tmp_path: Path, name: str) -> None:
    recipe = replace(RECIPES[name], size=64, epochs=2, min_epochs=1, steps=0, network=TINY.network)
    job = disc_job(tmp_path, replace(recipe, epoch_steps=1, precision="float32"), {Split.TRAIN: 1})
    found = run(begin(job))
    assert [report.dice for report in found.reports] == [None, None]
    assert found.config["epoch"] == 2
    load_weights(found.path, found.digest)


def test_a_training_without_any_vein_learns_to_draw_none(tmp_path: Path) -> None:
    job = disc_job(tmp_path, replace(TINY, learning_rate=3e-3))
    for sample in job.samples:
        sample.mask.write_bytes(pack(np.zeros((1, 80, 100), np.bool_)))
    found = run(begin(job))
    assert found.reports[-1].loss < found.reports[0].loss


def test_all_epochs_share_one_thread_for_their_batches(tmp_path: Path) -> None:
    before, threads = set(threading.enumerate()), set[threading.Thread]()
    for _ in train(begin(disc_job(tmp_path))):
        threads |= set(threading.enumerate()) - before
    assert len(threads) == 1
