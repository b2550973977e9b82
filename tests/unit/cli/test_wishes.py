"""What a person may wish for, refused before anything starts where it is impossible."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters.bootstrap import build
from cli.demo import DemoPlan, run_demo
from cli.pretrain import make_base_weights, parse_check
from cli.project import label_studio_id, make_project
from cli.work import WorkPlan, bring_up
from loop.errors import BadRequest, BadWeights
from loop.records import Project
from loop.serving import proposes_nothing
from tests.services.homes import make_settings
from trainer.networks import build_network
from trainer.recipes import RECIPES
from trainer.weights import describe, save_weights
from worker.job import choose_recipe

DEMO = DemoPlan(None, None, "vessel", 0, 3, 20, 0, "auto", "base")


def test_a_new_project_gets_the_defaults() -> None:
    request = WorkPlan().to_request()
    assert (request.title, request.classes.names, request.weights) == ("Sonoloop", ("Vein",), "base")
    assert request.settings["recipe"] == ""


def test_a_recipe_from_a_file_is_kept_whole_with_the_size_that_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"like": "paper", "name": "mine", "loss": "cldice"}')
    expected = replace(RECIPES["paper"], name="mine", loss="cldice")
    assert WorkPlan(recipe=str(file)).to_request().settings["recipe"] == expected.to_dict()
    kept = WorkPlan(recipe=str(file), size=256).to_request().settings["recipe"]
    assert kept == replace(expected, size=256).to_dict()


def test_a_demo_takes_a_recipe_file_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"like": "fast", "name": "mine", "loss": "dice"}')
    kept = replace(DEMO, recipe=str(file), size=128).to_settings()["recipe"]
    assert kept == replace(RECIPES["fast"], name="mine", loss="dice", size=128).to_dict()


@pytest.mark.parametrize("text", ["", "[]", '{"like": "slow"}', '{"like": "fast", "loss": "hinge"}', "{}"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text)
    with pytest.raises(BadRequest):
        WorkPlan(recipe=str(file)).to_request()
    with pytest.raises(BadRequest):
        WorkPlan(recipe=str(tmp_path / "nowhere.json")).to_request()


@pytest.mark.parametrize(
    "wish",
    [
        {"classes": "Vein,Vein"},
        {"classes": ""},
        {"classes": "Vein,Artery", "prior": "Nerve"},
        {"weights": "nowhere.safetensors"},
        {"recipe": "quick"},
        {"size": 100},
        {"title": "x"},
        {"recipe": "stages.json"},
        {"recipe": "frozen.json", "weights": "scratch"},
        {"recipe": "retinal"},
        {"recipe": "retinal", "weights": "imagenet"},
    ],
)
def test_an_impossible_wish_is_refused(
    wish: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stages.json").write_text('{"like": "fast", "train_from": "encoder9"}')
    Path("frozen.json").write_text('{"like": "fast", "train_from": "head"}')
    WorkPlan(recipe="frozen.json").to_request()
    with pytest.raises(BadRequest):
        WorkPlan(**wish).to_request()


def test_a_recipe_of_another_network_than_the_base_weights_needs_others_or_none() -> None:
    with pytest.raises(BadRequest, match=r"base weights of resnet34-unet.*--weights scratch"):
        WorkPlan(recipe="retinal").to_request()
    assert WorkPlan(recipe="retinal", weights="scratch").to_request().settings["recipe"] == "retinal"


def test_what_a_project_is_checked_for_is_what_its_rounds_train(tmp_path: Path) -> None:
    with closing(build(make_settings(tmp_path, recipe="retinal", image_size=64))) as container:
        with pytest.raises(BadRequest, match=r"base weights of resnet34-unet; need some of unet-leakyrelu"):
            make_project(container, WorkPlan().to_request())
        with container.database.read() as uow:
            assert uow.projects.list() == []
        project = make_project(container, WorkPlan(weights="scratch").to_request())
        assert choose_recipe(container, project) == replace(RECIPES["retinal"], size=64)
        named = make_project(container, WorkPlan(recipe="fast", size=96).to_request())
        assert choose_recipe(container, named) == replace(RECIPES["fast"], size=96)


def test_weights_of_the_network_that_the_settings_train_are_taken(tmp_path: Path) -> None:
    network, path = RECIPES["retinal"].network, tmp_path / "weights.safetensors"
    save_weights(path, build_network(network, 1), describe(network, ["Vein"], 64), half=True)
    request = WorkPlan(weights=str(path)).to_request()
    request.check(make_settings(tmp_path, recipe="retinal"))
    with pytest.raises(BadRequest, match="base weights of unet-leakyrelu; need some of resnet34-unet"):
        request.check(make_settings(tmp_path))


def test_a_home_whose_settings_cannot_train_the_wish_is_neither_made_nor_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_RECIPE", "retinal")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "frame.png").write_bytes(b"")
    with pytest.raises(BadRequest, match="base weights of resnet34-unet"):
        bring_up(tmp_path / "home", {}, tmp_path / "frames", WorkPlan())
    with pytest.raises(BadRequest, match="base weights of resnet34-unet"):
        run_demo(replace(DEMO, recipe="auto"), tmp_path / "home", {})
    assert not (tmp_path / "home").exists()


def test_weights_that_are_none_are_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"{}")
    with pytest.raises(BadWeights, match="no weights of ours"):
        WorkPlan(weights=str(tmp_path / "weights.safetensors")).to_request()


def weights_of(classes: list[str], path: Path) -> str:
    torch.manual_seed(0)
    network = build_network(RECIPES["thorough"].network, len(classes))
    save_weights(path, network, describe(RECIPES["thorough"].network, classes, 64), half=True)
    return str(path)


def test_weights_that_know_no_class_of_the_project_are_refused_before_anything_starts(tmp_path: Path) -> None:
    weights = weights_of(["Artery", "Nerve"], tmp_path / "weights.safetensors")
    with pytest.raises(BadWeights, match="weights of Artery, Nerve; need some that know any of Vein"):
        WorkPlan(classes="Vein", weights=weights).to_request()
    assert WorkPlan(classes="nerve,Vein", weights=weights).to_request().unknown_classes() == ["Vein"]
    assert WorkPlan(classes="Artery,Nerve", weights=weights).to_request().unknown_classes() == []
    assert WorkPlan(classes="Vein,Artery", prior="Artery").to_request().unknown_classes() == ["Vein"]
    assert WorkPlan(classes="Vein", weights="scratch").to_request().unknown_classes() == []


def test_a_project_of_such_weights_gets_a_first_version_that_serves_and_names_what_it_cannot_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = weights_of(["Artery", "Nerve"], tmp_path / "weights.safetensors")
    with closing(build(make_settings(tmp_path))) as container:
        project = make_project(container, WorkPlan(classes="Vein,nerve", weights=weights).to_request())
        with container.database.read() as uow:
            champion = uow.models.get(project.champion_id or 0)
        probs = container.segmenters.load(champion).predict(np.zeros((64, 64), np.uint8))
    assert probs.shape == (2, 64, 64)
    assert not probs[0].any()
    assert "from the first training on: Vein" in " ".join(capsys.readouterr().out.split())


def test_a_project_of_classes_that_the_base_weights_cannot_tell_apart_says_that_nothing_is_proposed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(build(make_settings(tmp_path))) as container:
        project = make_project(container, WorkPlan(classes="Vein,Artery").to_request())
        with container.database.read() as uow:
            champion = uow.models.get(project.champion_id or 0)
    assert proposes_nothing(champion, project)
    said = " ".join(capsys.readouterr().out.split())
    assert "nothing is proposed before the first own model serves" in said
    assert "one class, vessel, which may be any of Vein, Artery" in said
    assert "--prior CLASS" in said


@pytest.mark.parametrize("plan", [WorkPlan(classes="Vein"), WorkPlan(classes="Vein,Artery", prior="Vein")])
def test_base_weights_propose_for_one_class_and_for_one_that_was_chosen(
    plan: WorkPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(build(make_settings(tmp_path))) as container:
        project = make_project(container, plan.to_request())
        with container.database.read() as uow:
            assert not proposes_nothing(uow.models.get(project.champion_id or 0), project)
    assert "nothing is proposed" not in capsys.readouterr().out


def test_published_weights_are_refused_for_a_network_that_none_were_published_for() -> None:
    with pytest.raises(BadRequest, match=r"imagenet weights for unet-leakyrelu.*--weights scratch"):
        WorkPlan(recipe="retinal", weights="imagenet").to_request()
    assert WorkPlan(recipe="fast", weights="imagenet").to_request().weights == "imagenet"


def test_a_second_start_may_repeat_the_choices_or_leave_them_out() -> None:
    first = WorkPlan(classes="Vein,Artery", size=256)
    project = Project(1, "Sonoloop", ("Vein", "Artery"), settings=first.to_request().settings)
    first.check_against(project)
    WorkPlan().check_against(project)
    WorkPlan(weights="base").check_against(project)


def test_another_choice_for_a_project_that_is_there_is_refused() -> None:
    project = Project(1, "Sonoloop", ("Vein",), settings=WorkPlan().to_request().settings)
    with pytest.raises(BadRequest, match="--classes Artery for a project that was made with Vein"):
        WorkPlan(classes="Artery").check_against(project)


def test_a_project_without_its_twin_says_how_to_connect_it() -> None:
    assert label_studio_id(Project(1, "Sonoloop", ("Vein",), label_studio_id=5)) == 5
    with pytest.raises(BadRequest, match="sonoloop up"):
        label_studio_id(Project(1, "Sonoloop", ("Vein",)))


def test_a_demo_takes_frames_and_truth_together(tmp_path: Path) -> None:
    DEMO.check()
    (tmp_path / "frame.png").write_bytes(b"")
    replace(DEMO, frames=tmp_path, truth=tmp_path).check()
    with pytest.raises(BadRequest, match="--truth"):
        replace(DEMO, frames=tmp_path).check()
    with pytest.raises(BadRequest, match="no folder"):
        replace(DEMO, frames=tmp_path, truth=tmp_path / "nowhere").check()


def test_an_interrupted_demo_is_recognised_by_its_whole_plan(tmp_path: Path) -> None:
    again = replace(DEMO, frames=tmp_path, truth=tmp_path)
    assert again.to_settings() == replace(again).to_settings()
    assert again.to_settings()["plan"] != DEMO.to_settings()["plan"]


@pytest.mark.parametrize("text", ["", "nowhere=2", "{folder}", "{folder}=vessel"])
def test_a_check_set_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    make_check_set(tmp_path)
    with pytest.raises(BadRequest, match="--check"):
        parse_check(text.format(folder=tmp_path))


def test_a_check_set_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    make_check_set(tmp_path)
    assert parse_check(f"{tmp_path}=2").name == tmp_path.name
    named = parse_check(f"a set, CC BY 4.0={tmp_path}=2")
    assert (named.name, named.folder.value, named.folder.images) == (
        "a set, CC BY 4.0",
        2,
        tmp_path / "images",
    )


def make_check_set(folder: Path) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir()


def test_weights_that_are_there_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "base-v0.safetensors").write_bytes(b"kept")
    with pytest.raises(BadRequest, match="--out"):
        make_base_weights(tmp_path, 8, 1, 64, 0, [])
    assert [path.name for path in tmp_path.iterdir()] == ["base-v0.safetensors"]


def test_an_unfinished_pretraining_goes_on_with_its_own_choices_only(tmp_path: Path) -> None:
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "choices.json").write_text(
        '{"phantoms": 9, "epochs": 1, "size": 64, "seed": 0}'
    )
    with pytest.raises(BadRequest, match="other choices"):
        make_base_weights(tmp_path, 8, 1, 64, 0, [])
