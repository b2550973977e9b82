"""What a comparison's folder decides: what is left of each run, and who may work in it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loop.errors import (
    BadInput,
    BadRequest,
    Conflict,
    OutOfMemory,
    OutOfSpace,
    SonoloopError,
    TrainingFailed,
    Unavailable,
)
from loop.masks import exclusive, pack
from loop.training_records import Split
from tests.discs import draw_disc
from tests.judged import PLAN, judged, some_protocol
from trainer.comparison.child import Ended, failure
from trainer.comparison.conduct import remaining_seconds
from trainer.comparison.folder import Folder, check_folder, open_folder, settle_precision
from trainer.comparison.judge import Result, read_result, read_run, write_result
from trainer.comparison.protocol import Plan, read_protocol
from trainer.comparison.runs import Action, Traces, decide, make_job, note_epoch, read_epochs
from trainer.metrics import count


@pytest.mark.parametrize(
    ("traces", "action"),
    [
        (Traces(None, None, False, False), Action.TRAIN),
        (Traces(None, None, False, True), Action.RESUME),
        (Traces(None, None, True, True), Action.RESUME),
        (Traces(None, "mine", True, True), Action.JUDGE),
        (Traces(None, "mine", False, False), Action.TRAIN),
        (Traces("mine", "mine", True, False), Action.NOTHING),
        (Traces("once mine", "once mine", True, False), Action.NOTHING),
        (Traces(None, "once mine", True, False), Action.JUDGE),
        (Traces("mine", "mine", False, False), Action.NOTHING),
        (Traces("another", "another", True, False), Action.TRAIN),
    ],
)
def test_what_is_left_of_a_run_follows_from_its_traces(traces: Traces, action: Action) -> None:
    assert decide(traces, ("mine", "once mine")) is action


def test_a_job_holds_the_frames_that_teach_and_no_others(tmp_path: Path) -> None:
    protocol = some_protocol()
    job = make_job(Folder(tmp_path, 0), protocol, "fcn8s", 2, 1, Action.TRAIN)
    assert [sample.frame_id for sample in job.samples] == [n for n, _ in protocol.of_split(Split.TRAIN)]
    assert {sample.split for sample in job.samples} == {Split.TRAIN}
    assert (job.recipe.network, job.seed, job.resume_from) == ("fcn8s", 2, None)
    assert replace(job.recipe, network=protocol.recipe.network) == protocol.recipe


def test_the_same_comparison_goes_on_and_any_other_is_refused(tmp_path: Path) -> None:
    protocol, root = some_protocol(), tmp_path / "out"
    with open_folder(root, protocol, PLAN):
        before = (root / "protocol.json").read_bytes()
    check_folder(root, protocol)
    with pytest.raises(BadRequest, match=r"split_seed 0 there, 1 asked.*choose another --out"):
        check_folder(root, replace(protocol, split_seed=1))
    assert (root / "protocol.json").read_bytes() == before


def test_a_folder_remembers_all_networks_and_seeds_that_were_ever_asked_for(tmp_path: Path) -> None:
    protocol, (first, second) = some_protocol(), PLAN.networks
    for plan in (PLAN, Plan((second,), 1), Plan(("fcn8s",), 3)):
        with open_folder(tmp_path, protocol, plan):
            pass
    assert read_protocol(tmp_path / "protocol.json") == (protocol, Plan(("fcn8s", second, first), 3))


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    for root in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(BadRequest), open_folder(root, some_protocol(), PLAN):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_commands_do_not_work_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.comparison.folder.PATIENCE_SECONDS", 0.1)
    first, second = (open_folder(tmp_path, some_protocol(), PLAN) for _ in range(2))
    with first, pytest.raises(Conflict), second:
        pass
    with open_folder(tmp_path, some_protocol(), PLAN) as folder:
        assert os.fstat(folder.lock)


def test_a_precision_that_was_settled_stays(tmp_path: Path) -> None:
    protocol = some_protocol()
    asked = replace(protocol, recipe=replace(protocol.recipe, precision="auto"))
    assert settle_precision(tmp_path, asked) is None
    with open_folder(tmp_path, protocol, PLAN):
        pass
    assert settle_precision(tmp_path, asked) == "float32"


def test_epochs_are_read_in_order_past_a_line_that_a_crash_cut_short(tmp_path: Path) -> None:
    for epoch in (1, 2, 2):
        note_epoch(tmp_path, {"epoch": epoch, "epochs": 3, "loss": 1 / epoch, "seconds": 2.0, "dice": None})
    with (tmp_path / "epochs.jsonl").open("a") as file:
        file.write('{"epoch": 3, "los')
    assert [(note["epoch"], note["loss"]) for note in read_epochs(tmp_path)] == [(1, 1.0), (2, 0.5)]
    assert read_epochs(tmp_path / "nowhere") == []


def test_time_left_is_what_a_network_took_before_or_what_its_size_suggests() -> None:
    gmac = {"small": 10.0, "large": 30.0}
    assert remaining_seconds(["small"], {}, gmac) is None
    assert remaining_seconds([], {}, gmac, 7.0) == 7.0
    assert remaining_seconds(["small", "large"], {"small": [20.0, 40.0]}, gmac, 5.0) == 5 + 30 + 90
    assert remaining_seconds(["large"], {"small": [20.0], "large": [100.0]}, gmac) == 100


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    frames = (judged(1, "a", 2), judged(2, "b", 0, is_empty=True))
    result = Result("fcn8s", 1, frames, {"digest": "d"})
    write_result(tmp_path / "result.json", result, "protocol")
    found = read_result(tmp_path / "result.json")
    assert (found.network, found.seed, found.trained) == ("fcn8s", 1, {"digest": "d"})
    assert [frame.to_dict() for frame in found.frames] == [frame.to_dict() for frame in frames]


def test_a_result_of_several_classes_from_before_is_completed_from_the_masks_it_kept(tmp_path: Path) -> None:
    folder, protocol = Folder(tmp_path, 0), replace(some_protocol(), classes=("vein", "nerve"))
    masks = {n: np.concatenate([draw_disc(n)[1], draw_disc(n + 100)[1]]) for n in (1, 2)}
    place = folder.run("fcn8s", 0)
    frames = []
    for number, mask in masks.items():
        truth, drawn = exclusive(mask)[0], exclusive(np.roll(mask, 3, axis=2))[0]
        frames.append(replace(judged(number, "clip", 3), counts=count(drawn, truth)))
        kept = {folder.mask(protocol.frames[number].mask): truth, place / "masks" / f"{number}.slm": drawn}
        for path, content in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pack(content))
    today = Result("fcn8s", 0, tuple(frames), {})
    before = [replace(frame, counts=replace(frame.counts, background=None)) for frame in frames]
    write_result(place / "result.json", replace(today, frames=tuple(before)), "protocol")
    text = (place / "result.json").read_text()
    (place / "result.json").write_text(text.replace(', "background": null', ""))
    assert read_result(place / "result.json").frames[0].counts.background is None

    found = read_run(folder, protocol, "fcn8s", 0)
    assert [frame.to_dict() for frame in found.frames] == [frame.to_dict() for frame in today.frames]
    (place / "masks" / "2.slm").write_bytes(pack(masks[1]))
    with pytest.raises(BadInput, match="not the one its run was judged by"):
        read_run(folder, protocol, "fcn8s", 0)
    (place / "masks" / "2.slm").unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        read_run(folder, protocol, "fcn8s", 0)


@pytest.mark.parametrize(
    ("code", "last", "said", "kind", "words"),
    [
        (3, {"event": "failed", "message": "got no more memory"}, [], OutOfMemory, "smaller --size"),
        (-9, {}, [], OutOfMemory, "killed"),
        (1, {}, ["MemoryError"], OutOfMemory, "smaller --size"),
        (5, {"event": "failed", "message": "got a disk with no room"}, [], OutOfSpace, "make room"),
        (4, {"event": "failed", "message": "got a loss of nan"}, [], TrainingFailed, "a loss of nan"),
        (4, {"event": "failed", "message": "got a loss of nan"}, [], TrainingFailed, "out of --networks"),
        (6, {"event": "failed", "message": "got no weights"}, [], Unavailable, "again later"),
        (143, {"event": "epoch"}, [], Ended, "goes on where it was"),
        (-15, {}, [], Ended, "goes on where it was"),
        (-11, {}, ["Segmentation fault"], TrainingFailed, "Segmentation fault"),
    ],
)
def test_a_training_that_ends_without_a_model_is_told_by_its_reason(
    code: int, last: dict[str, str], said: list[str], kind: type[SonoloopError], words: str
) -> None:
    error = failure(code, last, said)
    assert type(error) is kind
    assert words in str(error)
    assert error.need
    assert error.todo
