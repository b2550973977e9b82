"""What the inner split decides: which epoch becomes the model, and when to go no further."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from loop.masks import pack
from loop.training_records import Split
from tests.discs import TINY, disc_job
from trainer.becoming import finish
from trainer.checkpoint import BEST, load_best, load_checkpoint
from trainer.choosing import CHOOSING_FRAMES
from trainer.endings import NonFiniteLoss, Stopped
from trainer.job import JobSpec
from trainer.recipes import Recipe
from trainer.training import Step, begin, train

PATIENT = replace(TINY, steps=0, epochs=12, looks=12, patience=2)
PATIENT_BRIEFLY = replace(PATIENT, epochs=5)


def hopeless_job(
    folder: Path, recipe: Recipe = PATIENT, inner: int = CHOOSING_FRAMES, out: str = "out"
) -> JobSpec:
    """The inner split asks for what no training teaches: everything to be vein, so that Dice only falls."""
    job = disc_job(folder, recipe, {Split.TRAIN: 8, Split.INNER: inner}, out=out)
    for sample in job.of_split(Split.INNER):
        sample.mask.write_bytes(pack(np.ones((1, 80, 100), np.bool_)))
    return job


def test_training_ends_once_so_many_looks_found_nothing_better(tmp_path: Path) -> None:
    training = begin(hopeless_job(tmp_path))
    reports = list(train(training))
    best = training.progress.best_epoch
    assert reports[-1].epoch == best + 2 < 12
    assert [report.stopped_early for report in reports] == [False] * (best + 1) + [True]
    assert [report.epochs for report in reports] == [12] * (best + 1) + [best + 2]
    assert reports[-1].eta_seconds == 0
    assert (training.epochs, training.planned_epochs) == (best + 2, 12)
    assert finish(training)[2]["epoch"] == best


def test_an_inner_split_too_small_to_choose_by_ends_nothing(tmp_path: Path) -> None:
    job = hopeless_job(tmp_path, PATIENT_BRIEFLY, CHOOSING_FRAMES - 1)
    reports = list(train(begin(job)))
    assert len(reports) == 5
    assert not any(report.stopped_early for report in reports)


def test_without_patience_training_goes_on_to_its_end(tmp_path: Path) -> None:
    reports = list(train(begin(hopeless_job(tmp_path, replace(PATIENT_BRIEFLY, patience=0)))))
    assert len(reports) == 5


def test_one_that_was_interrupted_while_nothing_got_better_ends_where_it_would_have(tmp_path: Path) -> None:
    whole = begin(hopeless_job(tmp_path, out="whole"))
    lost = len(list(train(whole)))
    first = hopeless_job(tmp_path, out="first")

    def watch(now: Step) -> None:
        if now.epoch == lost:
            raise Stopped

    with pytest.raises(Stopped):
        list(train(begin(first), watch))
    again = begin(replace(hopeless_job(tmp_path, out="second"), resume_from=first.out))
    assert again.progress.looks_in_vain == 1
    assert [report.stopped_early for report in train(again)] == [True]
    assert finish(again)[1] == finish(whole)[1]


def test_one_that_had_ended_early_does_not_go_on(tmp_path: Path) -> None:
    job = hopeless_job(tmp_path)
    first = begin(job)
    list(train(first))
    again = begin(replace(job, out=hopeless_job(tmp_path, out="second").out, resume_from=job.out))
    assert list(train(again)) == []
    assert again.epochs == first.epochs
    assert finish(again)[1] == finish(first)[1]


def test_weights_that_are_no_numbers_overwrite_nothing(tmp_path: Path) -> None:
    """Without an inner split nobody else would see that the last step ruined them."""
    job = disc_job(tmp_path, replace(TINY, looks=3), {Split.TRAIN: 4})
    training = begin(job)
    epochs = train(training)
    next(epochs)
    kept = (job.out / BEST.format(epoch=1)).read_bytes()

    def spoil(*_: object) -> None:
        with torch.no_grad():
            next(training.network.parameters()).fill_(float("nan"))

    training.optimizer.register_step_post_hook(spoil)
    training.job = replace(job, recipe=replace(job.recipe, epoch_steps=1))
    with pytest.raises(NonFiniteLoss, match="weights that are NaN"):
        next(epochs)
    assert (job.out / BEST.format(epoch=1)).read_bytes() == kept
    assert all(tensor.isfinite().all() for tensor in load_best(job.out, 1).values())
    found = load_checkpoint(job.out, job)
    assert found is not None
    assert found.progress.epoch == 1
