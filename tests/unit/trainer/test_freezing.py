"""Transfer: the first stages of a network stay as the base weights have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from loop.errors import BadRequest
from tests.discs import TINY, disc_job
from trainer.becoming import finish
from trainer.endings import Stopped
from trainer.freezing import freeze_before, trained_parameters
from trainer.job import IMAGENET, JobSpec
from trainer.networks import build_empty
from trainer.training import Step, Training, begin, train
from trainer.weights import describe, load_weights, save_weights


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights for one class called vessel."""
    folder = tmp_path_factory.mktemp("base")
    training = begin(disc_job(folder, seed=5))
    save_weights(folder / "weights", training.network, describe(TINY.network, ["vessel"], 64))
    return folder / "weights"


def job_from(base: Path, folder: Path, train_from: str, out: str = "out", **changes: object) -> JobSpec:
    recipe = replace(TINY, train_from=train_from, base_share=0.0)
    return disc_job(folder, replace(recipe, **changes), base=str(base), out=out)  # type: ignore[arg-type]


def snapshot(training: Training) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in training.network.state_dict().items()}


def names_of_stage(training: Training, stage: str) -> set[str]:
    """The tensors of one stage, statistics included, as the state dict names them."""
    inside = {tensor.data_ptr() for tensor in training.network.stages()[stage].state_dict().values()}
    return {name for name, tensor in training.network.state_dict().items() if tensor.data_ptr() in inside}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("train_from", ["encoder3", "decoder", "head"])
def test_stages_before_the_named_one_stay_as_they_were_statistics_included(
    tmp_path: Path, base: Path, train_from: str
) -> None:
    training = begin(job_from(base, tmp_path, train_from))
    before = snapshot(training)
    list(train(training))
    names = list(training.network.stages())
    first = names.index(train_from)
    moved = changed(before, training.network.state_dict())
    for number, stage in enumerate(names):
        inside = names_of_stage(training, stage)
        assert inside, stage
        assert bool(moved & inside) is (number >= first), stage
    assert moved == changed(before, load_weights(finish(training)[0])[0].state_dict())


def test_without_a_name_and_from_the_first_stage_everything_is_trained(tmp_path: Path, base: Path) -> None:
    digests = []
    for train_from in ("", "encoder1"):
        training = begin(job_from(base, tmp_path, train_from, out=train_from or "all"))
        assert training.frozen == ()
        before = snapshot(training)
        list(train(training))
        assert changed(before, training.network.state_dict()) == set(before)
        digests.append(torch.cat([p.flatten() for p in training.network.parameters()]))
    assert torch.equal(*digests)


def test_the_optimizer_holds_the_trained_parameters_only(tmp_path: Path, base: Path) -> None:
    training = begin(job_from(base, tmp_path, "head"))
    held = [p for group in training.optimizer.param_groups for p in group["params"]]
    head = list(training.network.stages()["head"].parameters())
    assert (
        {id(p) for p in held}
        == {id(p) for p in head}
        == {id(p) for p in trained_parameters(training.network)}
    )


@pytest.mark.parametrize("optimizer", ["adamw", "ranger"])
def test_an_interrupted_training_of_the_last_stages_ends_as_if_it_had_not_been(
    tmp_path: Path, base: Path, optimizer: str
) -> None:
    whole = begin(job_from(base, tmp_path, "decoder", out="whole", optimizer=optimizer))
    list(train(whole))
    first = job_from(base, tmp_path, "decoder", out="first", optimizer=optimizer)

    def watch(now: Step) -> None:
        if now.step == 3:
            raise Stopped

    with pytest.raises(Stopped):
        list(train(begin(first), watch))
    second = job_from(base, tmp_path, "decoder", out="second", optimizer=optimizer)
    again = begin(replace(second, resume_from=first.out))
    assert again.progress.epoch == 1
    list(train(again))
    assert finish(again)[1] == finish(whole)[1]


def test_a_share_of_the_base_changes_nothing_where_nothing_was_trained(tmp_path: Path, base: Path) -> None:
    training = begin(job_from(base, tmp_path, "decoder", base_share=0.25))
    before = snapshot(training)
    list(train(training))
    model = load_weights(finish(training)[0])[0].state_dict()
    frozen = [stage for stage in training.network.stages() if stage.startswith("encoder")]
    assert not changed(before, model) & set().union(*(names_of_stage(training, stage) for stage in frozen))
    assert changed(before, model) & names_of_stage(training, "head")


def test_the_head_of_another_class_list_is_trained_on_a_frozen_base(tmp_path: Path, base: Path) -> None:
    job = disc_job(
        tmp_path,
        replace(TINY, train_from="head"),
        base=str(base),
        classes=("Vein", "Artery"),
        prior_class="Vein",
    )
    training = begin(job)
    before = snapshot(training)
    list(train(training))
    assert changed(before, training.network.state_dict()) == names_of_stage(training, "head")


def test_an_unknown_stage_is_refused_with_those_that_the_network_has() -> None:
    network = build_empty(TINY.network, 1)
    with pytest.raises(BadRequest, match=r"'encoder99'.*encoder1, encoder2.*decoder, head"):
        freeze_before(network.stages(), "encoder99")


def test_nothing_is_frozen_that_was_never_trained(tmp_path: Path) -> None:
    recipe = replace(TINY, train_from="head")
    with pytest.raises(BadRequest, match="from scratch; need base weights"):
        disc_job(tmp_path, recipe)
    assert disc_job(tmp_path, recipe, base=IMAGENET).recipe.train_from == "head"
