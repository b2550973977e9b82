from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loop.errors import BadInput, BadRequest, NotFound
from loop.masks import pack
from loop.training_records import Split
from tests.discs import TINY, disc_job, draw_disc
from trainer.becoming import finish
from trainer.checkpoint import BEST, CHECKPOINT, load_best, load_checkpoint
from trainer.choosing import CHOOSING_FRAMES
from trainer.endings import NonFiniteLoss, Stopped
from trainer.job import JobSpec
from trainer.recipes import OPTIMIZERS, RECIPES
from trainer.training import EpochReport, Step, Training, begin, train
from trainer.weights import describe, load_weights, save_weights


@dataclass(frozen=True)
class Run:
    digest: str
    path: Path
    config: dict[str, Any]
    reports: list[EpochReport]
    steps: list[Step]


def run(training: Training) -> Run:
    steps: list[Step] = []
    reports = list(train(training, steps.append))
    path, digest, config = finish(training)
    return Run(digest, path, config, reports, steps)


def stopped_after(job: JobSpec, steps: int) -> None:
    def watch(now: Step) -> None:
        if now.step == steps:
            raise Stopped

    with pytest.raises(Stopped):
        list(train(begin(job), watch))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three epochs of two steps, undisturbed."""
    return run(begin(disc_job(tmp_path_factory.mktemp("reference"))))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, reference: Run) -> None:
    assert run(begin(disc_job(tmp_path, out="same"))).digest == reference.digest
    assert run(begin(disc_job(tmp_path, out="other", seed=2))).digest != reference.digest


@pytest.mark.parametrize(("steps", "epochs"), [(3, 1), (4, 1), (5, 2)], ids=["within", "judging", "late"])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path: Path, reference: Run, steps: int, epochs: int
) -> None:
    first = disc_job(tmp_path, out="first")
    stopped_after(first, steps)
    training = begin(disc_job(tmp_path, out="second", resume_from=first.out))
    assert training.progress.epoch == epochs
    assert run(training).digest == reference.digest


@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - {TINY.optimizer}))
def test_with_every_optimizer_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path: Path, optimizer: str
) -> None:
    recipe = replace(TINY, optimizer=optimizer, schedule="warm-up+cosine", clip_norm=1.0)
    first = disc_job(tmp_path, recipe, out="first")
    stopped_after(first, 5)
    training = begin(disc_job(tmp_path, recipe, out="second", resume_from=first.out))
    assert training.progress.epoch == 2
    assert run(training).digest == run(begin(disc_job(tmp_path, recipe, out="whole"))).digest


def test_the_average_goes_on_where_an_interrupted_training_ended(tmp_path: Path) -> None:
    recipe = replace(TINY, average=0.9)
    first = disc_job(tmp_path, recipe, out="first")
    stopped_after(first, 5)
    training = begin(disc_job(tmp_path, recipe, out="second", resume_from=first.out))
    assert training.progress.epoch == 2
    assert run(training).digest == run(begin(disc_job(tmp_path, recipe, out="whole"))).digest


def test_the_model_is_the_mean_of_the_weights_of_all_steps(tmp_path: Path) -> None:
    """With a decay of all but one, each step weighs as the warm-up says."""
    job = disc_job(tmp_path, replace(TINY, average=1 - 1e-9, looks=1))
    training = begin(job)
    steps: list[dict[str, torch.Tensor]] = [
        {name: tensor.double().clone() for name, tensor in training.network.state_dict().items()}
    ]
    training.optimizer.register_step_post_hook(
        lambda *_: steps.append({n: t.double().clone() for n, t in training.network.state_dict().items()})
    )
    list(train(training))
    names = [name for name, tensor in training.network.state_dict().items() if tensor.is_floating_point()]
    mean = {name: steps[0][name] for name in names}
    for number, weights in enumerate(steps[1:]):
        keep = (1 + number) / (10 + number)
        mean = {name: keep * mean[name] + (1 - keep) * weights[name] for name in names}
    model = load_weights(finish(training)[0])[0].state_dict()
    for name in names:
        torch.testing.assert_close(model[name].double(), mean[name], rtol=1e-4, atol=1e-5, msg=name)
    assert any((mean[name] - steps[-1][name]).abs().max() > 1e-4 for name in names)


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


def test_the_epoch_that_is_best_on_the_inner_split_becomes_the_model(tmp_path: Path) -> None:
    splits = {Split.TRAIN: 8, Split.INNER: CHOOSING_FRAMES}
    found = run(begin(disc_job(tmp_path, splits=splits)))
    dice = [report.dice for report in found.reports if report.dice is not None]
    assert len(dice) == 3
    assert max(dice) > dice[-1]
    assert found.config["epoch"] == len(dice) - dice[::-1].index(max(dice))


def test_of_an_inner_split_too_small_to_choose_by_the_last_epoch_becomes_the_model(reference: Run) -> None:
    dice = [report.dice for report in reference.reports if report.dice is not None]
    assert max(dice) > dice[-1]
    assert reference.config["epoch"] == 3


def test_without_an_inner_split_the_last_epoch_becomes_the_model(tmp_path: Path) -> None:
    training = begin(disc_job(tmp_path, replace(TINY, steps=2, min_epochs=2), {Split.TRAIN: 4}))
    assert [report.dice for report in train(training)] == [None, None]
    assert training.progress.best_epoch == 2


def test_reports_tell_how_far_it_is(reference: Run) -> None:
    assert [report.epoch for report in reference.reports] == [1, 2, 3]
    assert all(report.seconds > 0 and report.loss > 0 for report in reference.reports)
    assert reference.reports[-1].eta_seconds == 0 < reference.reports[0].eta_seconds
    assert {step.step for step in reference.steps} == set(range(7))
    assert {step.steps for step in reference.steps} == {6}


def test_a_checkpoint_of_another_job_or_a_broken_one_is_not_gone_on_with(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    stopped_after(job, 3)
    assert load_checkpoint(job.out, job) is not None
    assert load_checkpoint(job.out, replace(job, seed=9)) is None
    assert load_checkpoint(job.out, replace(job, recipe=TINY.smaller())) is None
    assert load_checkpoint(tmp_path / "nowhere", job) is None
    whole = (job.out / CHECKPOINT).read_bytes()
    (job.out / CHECKPOINT).write_bytes(whole[:-100])
    assert load_checkpoint(job.out, job) is None
    (job.out / CHECKPOINT).write_bytes(whole)
    (job.out / BEST).unlink()
    assert load_checkpoint(job.out, job) is None
    assert begin(replace(job, resume_from=job.out)).progress.epoch == 0


def test_base_weights_are_where_training_begins(tmp_path: Path) -> None:
    training = begin(disc_job(tmp_path, seed=5))
    config = describe(TINY.network, ["vessel"], 64)
    digest = save_weights(tmp_path / "base", training.network, config)
    job = disc_job(
        tmp_path,
        base=str(tmp_path / "base"),
        base_digest=digest,
        classes=("Nerve", "Vein"),
        prior_class="Vein",
    )
    begun = begin(job)
    old, new = training.network.state_dict(), begun.network.state_dict()
    assert all(torch.equal(old[n], new[n]) for n in old if not n.startswith("segmentation_head"))
    assert torch.equal(new["segmentation_head.0.weight"][1], old["segmentation_head.0.weight"][0])
    assert job.origin == digest
    with pytest.raises(NotFound):
        begin(replace(job, base=str(tmp_path / "nowhere")))
    with pytest.raises(BadRequest, match="another recipe"):
        begin(replace(job, recipe=replace(TINY, network="resnet34-unet")))


@pytest.mark.parametrize("classes", [("Vein",), ("Nerve", "Vein")])
def test_the_model_keeps_a_share_of_its_base_but_for_a_head_of_several_classes(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    begun = begin(disc_job(tmp_path, seed=5))
    save_weights(tmp_path / "base", begun.network, describe(TINY.network, ["Vein"], 64))
    job = disc_job(tmp_path, replace(TINY, base_share=0.25), base=str(tmp_path / "base"), classes=classes)
    base = begin(job).network.state_dict()
    training = begin(job)
    list(train(training))
    tuned = load_best(job.out)
    model = load_weights(finish(training)[0])[0].state_dict()
    for name, tensor in model.items():
        share = 0.25 if tensor.is_floating_point() else 0.0
        if name.startswith("segmentation_head") and len(classes) > 1:
            share = 0.0
        expected = (1 - share) * tuned[name] + share * base[name]
        torch.testing.assert_close(tensor, expected.to(tensor.dtype), msg=name)


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


def test_the_model_says_how_it_was_made(reference: Run) -> None:
    _, stored = load_weights(reference.path, reference.digest)
    assert stored == reference.config
    assert stored["recipe"] == TINY.to_dict()
    assert (stored["seed"], stored["precision"], stored["base"]) == (1, "float32", "scratch")
    assert "Affine" in str(stored["augmentation"])


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
