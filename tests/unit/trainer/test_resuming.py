"""A training that was interrupted goes on as if it had not been."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from tests.discs import TINY, disc_job
from tests.trainings import Run, run, stopped_after
from trainer.checkpoint import BEST, CHECKPOINT, load_checkpoint
from trainer.recipes import OPTIMIZERS, Recipe
from trainer.training import begin


@dataclass(frozen=True)
class NewerRecipe(Recipe):
    """A recipe as a newer version may have it."""

    twist: float = 0.0


@pytest.mark.parametrize(("steps", "epochs"), [(3, 1), (4, 1), (5, 2)], ids=["within", "judging", "late"])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path: Path, reference: Run, steps: int, epochs: int
) -> None:
    first = disc_job(tmp_path, out="first")
    stopped_after(first, steps)
    training = begin(disc_job(tmp_path, out="second", resume_from=first.out))
    assert training.progress.epoch == epochs
    assert run(training).digest == reference.digest


def ends_as_if_not_interrupted(folder: Path, recipe: Recipe) -> None:
    first = disc_job(folder, recipe, out="first")
    stopped_after(first, 5)
    training = begin(disc_job(folder, recipe, out="second", resume_from=first.out))
    assert training.progress.epoch == 2
    assert run(training).digest == run(begin(disc_job(folder, recipe, out="whole"))).digest


@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - {TINY.optimizer}))
def test_with_every_optimizer_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path: Path, optimizer: str
) -> None:
    recipe = replace(TINY, optimizer=optimizer, schedule="warm-up+cosine", clip_norm=1.0)
    ends_as_if_not_interrupted(tmp_path, recipe)


def test_the_average_goes_on_where_an_interrupted_training_ended(tmp_path: Path) -> None:
    recipe = replace(TINY, average=0.9)
    ends_as_if_not_interrupted(tmp_path, recipe)


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
    (job.out / BEST.format(epoch=1)).unlink()
    assert load_checkpoint(job.out, job) is None
    assert begin(replace(job, resume_from=job.out)).progress.epoch == 0


def test_a_training_goes_on_over_an_upgrade_that_brings_fields_with_defaults(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    stopped_after(job, 3)
    values = {field.name: getattr(TINY, field.name) for field in fields(TINY)}
    assert load_checkpoint(job.out, replace(job, recipe=NewerRecipe(**values))) is not None
    assert load_checkpoint(job.out, replace(job, recipe=NewerRecipe(**values, twist=1.0))) is None
