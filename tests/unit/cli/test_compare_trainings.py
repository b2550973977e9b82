"""`compare` from the command to the report, with real trainings of one epoch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.formats.labelled import open_labelled
from cli.app import app
from cli.compare import compare
from cli.compare_data import take_frames
from loop.errors import BadRequest, TrainingFailed
from tests.compared import data_of, request, write_recipe


@pytest.mark.timeout(200)
def test_relative_paths_are_those_of_the_folder_in_which_the_person_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_of(tmp_path / "data")
    write_recipe(tmp_path / "tiny.json")
    monkeypatch.chdir(tmp_path)
    compare(request(Path("data"), Path("out"), networks="mobilenetv3-unet", recipe="tiny.json"))
    assert "mobilenetv3-unet" in (tmp_path / "out" / "table.md").read_text()


@pytest.mark.timeout(200)
def test_frames_named_like_a_films_are_warned_of_and_told_in_every_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They lie in one folder and are numbered: nothing tells their recording."""
    data = data_of(tmp_path / "data", clips=5)
    flatten(data)
    recipe, out = write_recipe(tmp_path / "tiny.json"), tmp_path / "out"
    asked = request(data, out, networks="mobilenetv2-unet", recipe=recipe)
    compare(asked)
    said = capsys.readouterr().out
    named = "10 frames are named like those of a film"
    assert f"{named}, and each counts as a recording of its own" in said
    assert "one folder per recording, or an index.csv, and another --out, keep them together" in said
    for name in ("table.txt", "table.md", "report.json"):
        assert f"{named}, and each counted as a recording" in " ".join((out / name).read_text().split())

    compare(replace(asked, is_independent=True))
    assert "of a film" not in capsys.readouterr().out
    assert "of a film" not in (out / "table.md").read_text()


def test_frames_whose_recording_is_told_are_no_series(tmp_path: Path) -> None:
    data = data_of(tmp_path / "data", clips=2, frames=5)
    found = {}
    for told in (True, False):
        if not told:
            flatten(data)
        asked = request(data, tmp_path / "out").protocol(("vessel",))
        found[told] = take_frames(open_labelled(data, None), asked, is_independent=False)[1]
    assert found == {True: 0, False: 10}


def flatten(data: Path) -> None:
    """Take frames and masks out of their sub-folders, and number them through."""
    for part in ("images", "masks"):
        for number, each in enumerate(sorted((data / part).rglob("*.png")), start=1):
            each.rename(data / part / f"{number:04}.png")


def report_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_network_that_diverges_is_named_with_its_cure_and_strands_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = data_of(tmp_path / "data"), tmp_path / "out"
    recipe = write_recipe(tmp_path / "tiny.json", learning_rate=1e7)  # which only one of the two can bear
    words = ["compare", "--data", str(data), "--out", str(out), "--recipe", recipe, "--size", "64"]
    words += ["--networks", "dense-unet,mobilenetv2-unet", "--seeds", "1", "--threads", "1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "dense-unet seed 0 failed" in result.output
    assert "network dense-unet, seed 0" in result.output
    assert "take the network out of --networks" in result.output.replace("\n", " ")
    found = report_of(out)
    assert [each["network"] for each in found["networks"]] == ["mobilenetv2-unet"]
    assert [(each["network"], each["seed"]) for each in found["failures"]] == [("dense-unet", 0)]
    for name in ("table.txt", "table.md"):
        text = " ".join((out / name).read_text().split())
        assert "dense-unet seed 0 has no result" in text
        assert "a loss of nan" in text
        assert "lower learning_rate in a recipe file" in text
    assert (out / "sheet.png").exists()

    kept, note = (out / "runs" / name / "seed-0" for name in ("mobilenetv2-unet", "dense-unet"))
    before = (kept / "result.json").stat().st_mtime_ns
    asked = request(data, out, networks="dense-unet,mobilenetv2-unet", recipe=recipe)
    with pytest.raises(TrainingFailed, match="a loss of nan"):
        compare(asked)
    assert "tried again after a failure: dense-unet seed 0" in capsys.readouterr().out
    assert (kept / "result.json").stat().st_mtime_ns == before

    compare(replace(asked, networks="mobilenetv2-unet"))
    assert report_of(out)["failures"] == []
    assert "dense-unet" not in (out / "table.md").read_text()
    assert (note / "failed.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_damaged_model_leaves_the_other_seeds_and_its_cure_helps_and_fewer_seeds_lose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    recipe = write_recipe(tmp_path / "tiny.json")
    asked = request(data_of(tmp_path / "data"), out, networks="mobilenetv2-unet", recipe=recipe, seeds=2)
    compare(asked)
    first, second = (out / "runs" / "mobilenetv2-unet" / f"seed-{seed}" for seed in (0, 1))
    (first / "result.json").unlink()
    model = (first / "model.safetensors").read_bytes()
    (first / "model.safetensors").write_bytes(model[: len(model) // 2])
    with pytest.raises(TrainingFailed, match=r"remove its folder below runs/.*mobilenetv2-unet, seed 0"):
        compare(asked)
    assert report_of(out)["networks"][0]["seeds"] == [1]
    assert "The figures of mobilenetv2-unet are those of seed 1 alone." in (out / "table.md").read_text()

    shutil.rmtree(first)
    before = (second / "result.json").stat().st_mtime_ns
    compare(asked)
    assert report_of(out)["networks"][0]["seeds"] == [0, 1]
    assert report_of(out)["failures"] == []

    compare(replace(asked, seeds=1))
    assert report_of(out)["networks"][0]["seeds"] == [0]
    assert report_of(out)["not_reported"] == {"mobilenetv2-unet": [1]}
    assert "finished in its folder: mobilenetv2-unet seed 1." in (out / "table.md").read_text()
    with pytest.raises(BadRequest, match=r"split_seed 0 there, 1 asked.*choose another --out"):
        compare(replace(asked, seeds=1, split_seed=1))
    capsys.readouterr()
    compare(asked)
    assert "2 trainings, 2 of them finished" in capsys.readouterr().out
    assert (second / "result.json").stat().st_mtime_ns == before
    assert "Not in this report" not in (out / "table.md").read_text()
