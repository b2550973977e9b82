"""What `compare` says: the table in every width, the time, and what it refuses before it writes anything."""

from __future__ import annotations

import inspect
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from cli.app import app
from cli.commands.without_home import compare as ask
from cli.compare import compare
from cli.compare_progress import say_time
from cli.compare_table import render_report
from loop.errors import BadRequest
from tests.compared import data_of, request, write_recipe
from tests.judged import PLAN, some_protocol, some_report
from trainer.comparison.folder import open_folder
from trainer.recipes import COMPARED_RECIPE

LONG = "mobilenetv3-large-100-unetplusplus-scse"
NETWORKS = ("resnet34-unet", "deeplabv3plus", "fcn8s", LONG)


def shown(width: int, networks: tuple[str, ...] = NETWORKS) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as text:
        console.print(render_report(some_report(networks), width))
    return text.get()


def letters(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("width", [80, 100, 132])
def test_the_table_fits_the_terminal_with_every_figure_in_its_line(width: int) -> None:
    lines = shown(width).splitlines()
    assert max(map(len, lines)) <= width
    [row] = [line for line in lines if line.strip().startswith("fcn8s") and "30.8" in line]
    assert row.split()[4:] == ["24.4", "30.8", "455"]
    assert ".904" in shown(width)
    assert "…" not in shown(width)


@pytest.mark.parametrize("width", [80, 72, 60, 40, 30, 20])
def test_no_width_cuts_a_name_or_a_figure(width: int) -> None:
    text = shown(width)
    assert max(map(len, text.splitlines())) <= width
    report = some_report(NETWORKS)
    for network in report.networks:
        value = f"{network.figures['dice'].value:.3f}".lstrip("0")
        assert value in letters(text)
    assert all(part in text for part in (LONG[:12], LONG[-4:])), "the name goes on in the next line"
    assert "…" not in text


def test_one_network_has_no_differences() -> None:
    assert "in pairs" not in shown(80, ("resnet34-unet",))
    assert "in pairs" in shown(80, ("resnet34-unet", "fcn8s"))


@pytest.mark.parametrize("width", [80, 40])
def test_of_several_classes_each_has_a_line_of_its_own(width: int) -> None:
    report = some_report(("fcn8s",))
    figures = report.networks[0]
    vein, nerve = figures.figures, {name: replace(f, value=0.125) for name, f in figures.figures.items()}
    shown_both = tuple(replace(each, classes=(True, True)) for each in report.protocol.frames)
    two = replace(
        report,
        protocol=replace(report.protocol, classes=("vein", "nerve"), frames=shown_both),
        networks=[replace(figures, by_class=(vein, nerve))],
    )
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as text:
        console.print(render_report(two, width))
    shown_text = text.get()
    lines = shown_text.splitlines()
    assert [line for line in lines if "nerve" in line and ".125" in line]
    assert [line for line in lines if "vein" in line]
    assert "meanoverbackgroundand2classes" in letters(shown_text), "wrapped or not"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (720, "12 min"), (12_000, "3 h 20 min")]
)
def test_time_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert say_time(seconds) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"networks": "resnet34-unet,alexnet"}, "'alexnet'; need one that `./sonoloop networks` lists"),
        ({"networks": "unet+"}, r"'unet\+', which has a \+ without a network beside it"),
        ({"networks": "unet,fcn8s", "weights": "imagenet"}, "imagenet weights for unet"),
        ({"networks": " , "}, "networks none"),
        ({"networks": "resnet34-unet,resnet34-unet"}, "each once"),
        ({"recipe": "secret"}, "'secret'"),
        ({"size": 100}, "100 px; need a multiple of 32"),
        ({"weights": "coco"}, "'coco'"),
        ({"classes": "vessel=7"}, "none with vessel in it"),
    ],
)
def test_an_impossible_request_is_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    data = data_of(tmp_path / "data")
    with pytest.raises(BadRequest, match=words):
        compare(request(data, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("recipe", "changes", "words"),
    [
        ({"train_from": "encoder6"}, {"weights": "imagenet"}, "'encoder6' for the network resnet34-unet"),
        ({"train_from": "head"}, {}, "'head' for a network from scratch"),
        (
            {"train_from": "decoder"},
            {"networks": "resnet34-unet,deeplabv2", "weights": "imagenet"},
            "'decoder' for the network deeplabv2; need one of its stages encoder1, .*encoder5, head",
        ),
    ],
)
def test_a_stage_that_cannot_be_trained_from_is_refused_before_anything_is_written(
    tmp_path: Path, recipe: dict[str, str], changes: dict[str, str], words: str
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"like": "paper"} | recipe))
    with pytest.raises(BadRequest, match=words):
        compare(
            request(
                data_of(tmp_path / "data"), tmp_path / "out", recipe=str(tmp_path / "mine.json"), **changes
            )
        )
    assert not (tmp_path / "out").exists()


def test_data_with_which_nothing_can_be_compared_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name, clips, frames in (("one clip", 1, 3), ("one frame", 1, 1)):
        with pytest.raises(BadRequest, match="frames of 1 clip; need at least two"):
            compare(request(data_of(tmp_path / name, clips, frames), out))
    (tmp_path / "bare" / "images").mkdir(parents=True)
    with pytest.raises(BadRequest, match="a folder without masks"):
        compare(request(tmp_path / "bare", out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("clips", "readable", "got"),
    [
        (4, 0, "no frame with a usable mask"),
        (4, 1, "frames of 1 clip"),
        (5, 2, "4 frames of 10 with a mask that can be read"),
    ],
)
def test_where_too_little_is_left_the_error_says_how_much_was_left_out_and_the_cure_of_that(
    tmp_path: Path, clips: int, readable: int, got: str
) -> None:
    data = data_of(tmp_path / "data", clips, value=2)
    for clip in range(readable):
        for mask in (data / "masks" / f"clip{clip}").iterdir():
            Image.open(mask).point(lambda value: value // 2).save(mask)
    (data / "images" / "clip0" / "a note.txt").write_text("in no masks' way")
    with pytest.raises(BadRequest) as told:
        compare(request(data, tmp_path / "out"))
    left_out = 2 * (clips - readable) + 1
    assert told.value.got == f"{got}, after {left_out} files had been left out (a mask with values [2])"
    assert told.value.todo.startswith("say which value is which, as in --classes vessel=2; else ")
    assert not (tmp_path / "out").exists()


def test_the_command_ends_with_one_and_says_what_to_do(tmp_path: Path) -> None:
    data = data_of(tmp_path / "data")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    words = ["compare", "--data", str(data), "--networks", "resnet34-unet", "--out", str(tmp_path / "taken")]
    result = CliRunner().invoke(app, [*words, "--size", "64"])
    assert result.exit_code == 1
    assert "holds something else" in result.output
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["letter.txt"]


def test_without_out_it_works_in_comparison_where_the_person_stands_but_in_no_other_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_of(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    with open_folder(tmp_path / "comparison", some_protocol(), PLAN):
        before = (tmp_path / "comparison" / "protocol.json").read_bytes()
    words = ["compare", "--data", "data", "--networks", "resnet34-unet"]
    words += ["--recipe", write_recipe(Path("tiny.json"))]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "comparison, which holds another comparison" in result.output
    assert "choose another --out; nothing was changed" in result.output
    assert (tmp_path / "comparison" / "protocol.json").read_bytes() == before


def test_networks_are_compared_by_the_recipe_under_which_they_learn_unless_another_is_asked_for() -> None:
    assert inspect.signature(ask).parameters["recipe"].default == COMPARED_RECIPE


def test_a_recipe_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"like": "fast", "name": "mine", "loss": "dice"}')
    asked = request(tmp_path, tmp_path / "out", recipe=str(tmp_path / "mine.json"), size=0)
    found = asked.protocol(("vein",)).recipe
    assert (found.name, found.loss, found.size) == ("mine", "dice", 256)
    assert replace(asked, size=64).protocol(("vein",)).recipe.size == 64
