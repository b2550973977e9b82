"""What a training begins as, and which of its weights become the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from loop.errors import BadRequest, NotFound
from loop.training_records import Split
from tests.discs import TINY, disc_job
from tests.trainings import Run, run
from trainer.becoming import finish
from trainer.checkpoint import load_best
from trainer.choosing import CHOOSING_FRAMES
from trainer.training import begin, train
from trainer.weights import describe, load_weights, save_weights


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
    with pytest.raises(BadRequest, match="take a recipe with"):
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
    tuned = load_best(job.out, training.progress.best_epoch)
    model = load_weights(finish(training)[0])[0].state_dict()
    for name, tensor in model.items():
        share = 0.25 if tensor.is_floating_point() else 0.0
        if name.startswith("segmentation_head") and len(classes) > 1:
            share = 0.0
        expected = (1 - share) * tuned[name] + share * base[name]
        torch.testing.assert_close(tensor, expected.to(tensor.dtype), msg=name)


def test_the_model_says_how_it_was_made(reference: Run) -> None:
    _, stored = load_weights(reference.path, reference.digest)
    assert stored == reference.config
    assert stored["recipe"] == TINY.to_dict()
    assert (stored["seed"], stored["precision"], stored["base"]) == (1, "float32", "scratch")
    assert "Affine" in str(stored["augmentation"])
