"""A whole comparison at a small size: real training processes, an interruption, the report."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from adapters.formats.pixels import encode_png
from loop.errors import BadInput, OutOfSpace
from loop.frames import frame_digest
from loop.masks import unpack
from loop.training_records import Split
from tests.discs import TINY
from tests.judged import some_protocol
from trainer.comparison.conduct import Comparison, carry_out, check_room
from trainer.comparison.cost import Cost, count_cost, keep_timing, kept_timing, time_networks
from trainer.comparison.failures import to_error
from trainer.comparison.folder import Folder, open_folder
from trainer.comparison.gallery import draw_all
from trainer.comparison.material import Labelled, is_stored, store, survey
from trainer.comparison.protocol import Plan, Protocol
from trainer.comparison.report import make_report
from trainer.comparison.runs import Action, keep_trained, read_epochs
from trainer.job import read_job
from trainer.networks import build_network
from trainer.phantoms import draw_clip
from trainer.recipes import Recipe
from trainer.weights import describe, save_weights

ROOT = Path(__file__).resolve().parents[3]
RECIPE = replace(TINY, epochs=2, steps=0, batch=2, epoch_steps=2)
PLAN = Plan(("mobilenetv2-unet", "resnet34-unet"), 1)


def phantoms() -> Iterator[Labelled]:
    """Three recordings of two frames each, the last one again under another name."""
    for clip in (0, 1, 2, 2):
        drawn = draw_clip(clip, 2, 64)
        for image, mask in zip(drawn.images, drawn.masks, strict=True):
            yield Labelled(frame_digest(image), encode_png(image), (mask > 0)[np.newaxis], f"name {clip}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_comparison_that_is_interrupted_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    frames, again = survey(phantoms())
    assert (len(frames), again) == (6, 2)
    assert not any("name" in each.group for each in frames)
    protocol = Protocol(("vessel",), RECIPE, "scratch", 0, frames)
    with open_folder(tmp_path, protocol, PLAN) as folder:
        store(folder, phantoms())
        assert is_stored(folder, frames)
        costs = {name: count_cost(name, 1, 64) for name in PLAN.networks}
        comparison = Comparison(folder, protocol, PLAN, costs, 1)
        check_room(comparison)

        with closing(carry_out(comparison)) as news:
            assert next(each for each in news if each.stage == "epoch").epoch == 1
        assert list(comparison.actions().values()) == [Action.RESUME, Action.TRAIN]

        heard = list(carry_out(comparison))
        assert [(n.network, n.finished) for n in heard if n.stage == "finished"] == [
            ("mobilenetv2-unet", 1),
            ("resnet34-unet", 2),
        ]
        assert [(n.network, n.epoch) for n in heard if n.stage == "epoch"] == [
            ("mobilenetv2-unet", 2),
            ("resnet34-unet", 1),
            ("resnet34-unet", 2),
        ], "the first went on after its first epoch"
        first = folder.run("mobilenetv2-unet", 0)
        assert read_job(first / "job.json").resume_from == first
        assert [note["epoch"] for note in read_epochs(first)] == [1, 2]
        assert not (first / "checkpoint.safetensors").exists(), "of a finished run only the model is kept"

        results = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
        assert list(carry_out(comparison)) == []
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == results

        (first / "result.json").write_text('{"protocol": "')  # as a disk that failed may leave it
        assert {(n.network, n.stage) for n in carry_out(comparison)} == {
            ("mobilenetv2-unet", stage) for stage in ("begins", "judging", "finished")
        }, "judging is repeated, training is not"

        timing = time_networks(PLAN.networks, 1, 64, "float32", 1)
        report = make_report(protocol, PLAN, costs, timing, comparison.results())
        held_out = [number for number, each in enumerate(frames) if each.group in protocol.held_out]
        assert [frame.number for frame in report.results[0].frames] == held_out
        drawn = unpack((first / "masks" / f"{held_out[0]}.slm").read_bytes())
        tp_and_fp = report.results[0].frames[0].counts
        assert drawn.sum() == tp_and_fp.tp[0] + tp_and_fp.fp[0]
        for name in draw_all(report, folder):
            picture = cv2.imread(str(tmp_path / name))
            assert picture is not None
            assert picture.std() > 10


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_command_that_is_killed_goes_on_and_two_trainings_never_meet(tmp_path: Path) -> None:
    for each in phantoms():
        number = each.group.removeprefix("name ")
        truth = encode_png(each.mask[0].astype(np.uint8))
        for part, data in (("images", each.png), ("masks", truth)):
            path = tmp_path / "data" / part / f"clip{number}" / f"{each.digest[:8]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    out, options = tmp_path / "out", ["--recipe", "fast", "--size", "64", "--seeds", "1", "--threads", "1"]
    command = [sys.executable, "-m", "cli", "compare", "--data", str(tmp_path / "data"), "--out", str(out)]
    command += ["--networks", "mobilenetv2-unet", *options]
    epochs = out / "runs/mobilenetv2-unet/seed-0/epochs.jsonl"

    killed = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    until = time.monotonic() + 300
    while not epochs.exists():
        assert killed.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    killed.kill()
    killed.wait()

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "(went on)" in ended.stdout
    assert "mobilenetv2-unet" in (out / "table.txt").read_text()
    assert [note["epoch"] for note in read_epochs(epochs.parent)] == list(range(1, 8))


def stored(folder: Folder, plan: Plan, recipe: Recipe = RECIPE) -> Comparison:
    """A comparison of phantoms, whose frames lie in its folder."""
    store(folder, phantoms())
    protocol = Protocol(("vessel",), recipe, "scratch", 0, survey(phantoms())[0])
    return Comparison(folder, protocol, plan, {name: Cost(1, 1.0) for name in plan.networks}, 1)


ONE = Plan(("mobilenetv2-unet",), 1)


@pytest.mark.timeout(200)
def test_a_training_whose_loss_is_no_number_is_told_with_network_seed_and_way_out(tmp_path: Path) -> None:
    with open_folder(tmp_path, some_protocol(), ONE) as folder:
        comparison = stored(folder, ONE, replace(RECIPE, learning_rate=1e30))
        *_, last = carry_out(comparison)
        assert (last.stage, last.finished, last.failure) == ("failed", 0, comparison.failures()[0])
        error = to_error(comparison.failures(), 1)
    assert "a loss of" in error.got or "NaN" in error.got
    assert "take the network out of --networks, or lower learning_rate" in error.todo
    assert error.message.endswith("(network mobilenetv2-unet, seed 0)")


@pytest.mark.timeout(200)
def test_a_frame_that_was_damaged_in_the_folder_ends_the_whole_at_once(tmp_path: Path) -> None:
    with open_folder(tmp_path, some_protocol(), PLAN) as folder:
        comparison = stored(folder, PLAN)
        _, frame = comparison.protocol.of_split(Split.TRAIN)[0]
        folder.frame(frame.frame).write_bytes(b"no picture")
        with pytest.raises(BadInput, match=r"choose another --out \(network mobilenetv2-unet, seed 0\)"):
            list(carry_out(comparison))
        assert comparison.failures() == []
        assert folder.runs() == [("mobilenetv2-unet", 0)], "the second was not begun"


def test_a_model_that_gives_nan_or_was_damaged_is_told_with_network_seed_and_way_out(tmp_path: Path) -> None:
    with open_folder(tmp_path, some_protocol(), ONE) as folder:
        comparison = stored(folder, ONE)
        place = folder.run("mobilenetv2-unet", 0)
        place.mkdir(parents=True)
        network = build_network("mobilenetv2-unet", 1)
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.fill_(-1)  # of a root: finite weights that give NaN
        digest = save_weights(
            place / "model.safetensors", network, describe("mobilenetv2-unet", ["vessel"], 64)
        )
        ended = {"digest": digest, "config": {"precision": "float32"}, "metrics": {}}
        keep_trained(place, comparison.protocol.digest, ended)
        list(carry_out(comparison))
        told = to_error(comparison.failures(), 1).message
        assert re.search(r"gives NaN.*--networks.*network mobilenetv2-unet, seed 0", told)
        assert "roll back" not in told
        keep_trained(place, comparison.protocol.digest, ended | {"digest": "0" * 64})
        list(carry_out(comparison))
        told = to_error(comparison.failures(), 1).message
        assert "a trained model that cannot be used" in told
        assert re.search(r"below runs/.*network mobilenetv2-unet, seed 0", told)


def test_parameters_and_multiply_adds_are_counted() -> None:
    cost = count_cost("resnet34-unet", 1, 256)
    assert cost.parameters == 24_430_097
    assert cost.gmac == pytest.approx(30.84 / 4, rel=0.01)


def test_timings_are_kept_for_the_same_networks_and_threads_alone(tmp_path: Path) -> None:
    timing = time_networks(["mobilenetv2-unet"], 1, 32, "float32", 1)
    assert 0 < timing.ms["mobilenetv2-unet"] < 60_000
    path = tmp_path / "timing.json"
    assert kept_timing(path, ["mobilenetv2-unet"], 1) is None
    keep_timing(path, timing)
    assert kept_timing(path, ["mobilenetv2-unet"], 1) == timing
    assert kept_timing(path, ["mobilenetv2-unet"], 2) is None
    assert kept_timing(path, ["mobilenetv2-unet", "resnet34-unet"], 1) is None


def test_a_disk_without_room_is_told_before_hours_are_spent(tmp_path: Path) -> None:
    with open_folder(tmp_path, some_protocol(), PLAN) as folder:
        costs = dict.fromkeys(PLAN.networks, Cost(10**15, 1.0))
        with pytest.raises(OutOfSpace, match="MB free for 2 trainings"):
            check_room(Comparison(folder, some_protocol(), PLAN, costs, 1))
