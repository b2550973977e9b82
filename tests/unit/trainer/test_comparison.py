"""What a comparison decides: split, resumption, figures, frames to show, time left."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import BadRequest, Conflict, OutOfMemory, OutOfSpace, TrainingFailed
from loop.training_records import Split
from tests.judged import compared, judged, some_protocol, some_report, some_runs
from trainer.comparison.aggregate import STATISTICS, aggregate
from trainer.comparison.child import failure
from trainer.comparison.choice import choose_frames
from trainer.comparison.conduct import remaining_seconds
from trainer.comparison.folder import Folder, check_folder, open_folder, settle_precision
from trainer.comparison.judge import Result, read_result, write_result
from trainer.comparison.protocol import (
    Plan,
    Protocol,
    check_protocol,
    choose_held_out,
    differences,
    read_protocol,
    write_protocol,
)
from trainer.comparison.report import bracket, caption, share, signed
from trainer.comparison.runs import Action, Traces, decide, make_job, note_epoch, read_epochs
from trainer.comparison.writing import frames_csv, markdown, table_csv, to_dict
from trainer.metrics import score

PLAN = Plan(("resnet34-unet", "mobilenetv2-unet"), 2)
names = st.lists(st.text("abc0123456789", min_size=1, max_size=6), min_size=2, max_size=40, unique=True)


@given(names, st.integers(0, 99))
def test_a_split_holds_out_two_fifths_of_the_clips_whatever_their_order(groups: list[str], seed: int) -> None:
    held_out = choose_held_out(groups, seed)
    assert choose_held_out(groups[::-1], seed) == held_out
    assert set(held_out) < set(groups)
    assert len(held_out) == min(len(groups) - 1, max(1, round(0.4 * len(groups))))


def test_no_clip_teaches_and_tests_and_every_frame_does_one_of_both() -> None:
    protocol = some_protocol(clips=10, frames_per_clip=3)
    train, test = (protocol.of_split(split) for split in (Split.TRAIN, Split.HELD_OUT))
    assert not {each.group for _, each in train} & {each.group for _, each in test}
    assert sorted(number for number, _ in (*train, *test)) == list(range(30))
    assert len({each.group for _, each in test}) == 4


def test_another_split_seed_holds_out_others() -> None:
    protocol = some_protocol()
    assert protocol.held_out != replace(protocol, split_seed=1).held_out


def test_one_clip_and_empty_masks_cannot_be_compared() -> None:
    with pytest.raises(BadRequest, match="frames of 1 clip"):
        check_protocol(some_protocol(clips=1))
    bare = replace(some_protocol(), frames=tuple(compared(n, f"clip{n}", False) for n in range(6)))
    with pytest.raises(BadRequest, match="none with vessel in it"):
        check_protocol(bare)


def test_a_plan_names_each_network_once() -> None:
    for wrong in ((), ("a", "a")):
        with pytest.raises(BadRequest):
            Plan(wrong, 1)


def test_a_protocol_survives_its_file_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    protocol, path = some_protocol(), tmp_path / "protocol.json"
    write_protocol(path, protocol, PLAN)
    assert read_protocol(path) == (protocol, PLAN)
    content = json.loads(path.read_text())
    assert content["split"]["held-out"] == sorted(protocol.held_out)
    content["split_seed"] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(BadRequest, match="changed by hand"):
        read_protocol(path)


def test_differences_name_what_changed() -> None:
    there = some_protocol()
    asked = replace(there, recipe=replace(there.recipe, size=256), base="imagenet", frames=there.frames[:-2])
    found = "; ".join(differences(there, asked))
    assert "size 512 there, 256 asked" in found
    assert "base scratch there, imagenet asked" in found
    assert "20 frames there, 18 asked, 18 of them the same" in found
    assert differences(there, there) == []


@pytest.mark.parametrize(
    ("traces", "action"),
    [
        (Traces(None, None, False, False), Action.TRAIN),
        (Traces(None, None, False, True), Action.RESUME),
        (Traces(None, None, True, True), Action.RESUME),
        (Traces(None, "mine", True, True), Action.JUDGE),
        (Traces(None, "mine", False, False), Action.TRAIN),
        (Traces("mine", "mine", True, False), Action.NOTHING),
        (Traces("mine", "mine", False, False), Action.NOTHING),
        (Traces("another", "another", True, False), Action.TRAIN),
    ],
)
def test_what_is_left_of_a_run_follows_from_its_traces(traces: Traces, action: Action) -> None:
    assert decide(traces, "mine") is action


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
    check_folder(root, protocol, PLAN)
    more = Plan((*PLAN.networks, "another"), 3)
    check_folder(root, protocol, more)
    with pytest.raises(BadRequest, match="split_seed 0 there, 1 asked"):
        check_folder(root, replace(protocol, split_seed=1), PLAN)
    for fewer in (Plan(PLAN.networks[:1], 2), Plan(PLAN.networks, 1)):
        with pytest.raises(BadRequest, match="fewer trainings"):
            check_folder(root, protocol, fewer)
    assert (root / "protocol.json").read_bytes() == before


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


def test_figures_are_means_over_seeds_and_lie_within_their_intervals() -> None:
    runs = some_runs(["good", "bad"], seeds=3)
    figures, (difference,) = aggregate(runs, 300)
    scores = [score([frame.counts for frame in frames]) for frames in runs["good"]]
    assert figures[0].figures["dice"].value == pytest.approx(np.mean([each.dice_mean for each in scores]))
    assert figures[0].figures["acc"].value == pytest.approx(np.mean([each.acc for each in scores]))
    assert figures[0].figures["miou"].value == pytest.approx(np.mean([each.miou for each in scores]))
    for network in figures:
        assert network.figures.keys() == STATISTICS.keys()
        for name, figure in network.figures.items():
            assert figure.value is not None, name
            assert figure.low is not None, name
            assert figure.high is not None, name
            assert figure.low <= figure.value <= figure.high, name
    assert (difference.network, difference.reference) == ("bad", "good")
    gap = difference.figures["dice"]
    assert gap.value == pytest.approx(
        (figures[1].figures["dice"].value or 0) - (figures[0].figures["dice"].value or 0)
    )
    assert gap.high is not None
    assert gap.high < 0, "the second network is worse on every frame"


def test_the_difference_of_a_network_to_its_twin_is_nothing_at_all() -> None:
    runs = some_runs(["one"])
    _, (difference,) = aggregate({"one": runs["one"], "twin": runs["one"]}, 50)
    assert {(f.value, f.low, f.high) for f in difference.figures.values()} == {(0.0, 0.0, 0.0)}


def test_seeds_that_differ_widen_an_interval() -> None:
    frames = [judged(n, f"clip{n}", 2) for n in range(6)]
    worse = [judged(n, f"clip{n}", 12) for n in range(6)]
    (steady, shaky), _ = aggregate({"steady": [frames, frames], "shaky": [frames, worse]}, 300)
    widths = [(each.figures["dice"].high or 0) - (each.figures["dice"].low or 0) for each in (steady, shaky)]
    assert widths[1] > 2 * widths[0]


def test_runs_on_different_frames_are_not_compared() -> None:
    frames = [judged(n, f"clip{n}", 1) for n in range(3)]
    with pytest.raises(BadRequest, match="different frames"):
        aggregate({"a": [frames], "b": [frames[:2]]}, 10)


def test_frames_are_shown_from_the_worst_to_the_best_by_rank_then_an_empty_one() -> None:
    dice = np.asarray([0.9, 0.1, np.nan, 0.5, 0.7, 0.3, 0.0])
    is_empty = [False, False, True, False, False, False, True]
    assert choose_frames(dice, is_empty) == [1, 5, 3, 4, 0, 2]
    assert choose_frames(np.asarray([0.4]), [False]) == [0]
    assert choose_frames(np.asarray([]), []) == []


def test_figures_are_written_as_people_read_them() -> None:
    assert [share(value) for value in (0.9634, 1.0, None)] == [".963", "1.000", "–"]
    assert [signed(value) for value in (0.012, -0.14, None)] == ["+.012", "−.140", "–"]
    report = some_report(("resnet34-unet", "fcn8s"))
    assert bracket(report.networks[0].figures["acc"]).startswith("[.")


def test_a_caption_says_what_differs_from_the_published_protocol() -> None:
    report = some_report(("resnet34-unet", "fcn8s"))
    assert not any("not its protocol" in line for line in caption(report))
    small = replace(report.protocol, recipe=replace(report.protocol.recipe, size=256))
    assert "Frames of 256 px: the published study used 512 px" in "\n".join(
        caption(replace(report, protocol=small))
    )
    assert "0 of 8 pairs of empty masks left out" in "\n".join(caption(report))


def test_the_report_is_there_for_spreadsheet_document_and_program() -> None:
    report = some_report(("resnet34-unet", "fcn8s"))
    rows = [line.split(",") for line in table_csv(report).splitlines()]
    assert len({len(row) for row in rows}) == 1
    assert [row[0] for row in rows] == ["network", "resnet34-unet", "fcn8s"]
    assert rows[1][rows[0].index("published_acc")] == "0.963"
    assert float(rows[1][rows[0].index("dice")]) == pytest.approx(report.networks[0].figures["dice"].value)
    assert len(frames_csv(report).splitlines()) == 1 + 2 * 2 * 8
    text = markdown(report)
    assert "| `fcn8s` |" in text
    assert ".904 | .716 |" in text
    content = json.loads(json.dumps(to_dict(report), allow_nan=False))
    assert [run["network"] for run in content["runs"]] == ["resnet34-unet", "fcn8s"] * 2
    assert content["runs"][0]["measures"]["dice"]["per_frame"]["median"] > 0.5
    assert content["runs"][0]["surface"]["hd95"]["mean"] > 0


@pytest.mark.parametrize(
    ("code", "last", "said", "kind", "words"),
    [
        (3, {"event": "failed", "message": "got no more memory"}, [], OutOfMemory, "smaller --size"),
        (-9, {}, [], OutOfMemory, "killed"),
        (1, {}, ["MemoryError"], OutOfMemory, "smaller --size"),
        (5, {"event": "failed", "message": "got a disk with no room"}, [], OutOfSpace, "make room"),
        (4, {"event": "failed", "message": "got a loss of nan"}, [], TrainingFailed, "a loss of nan"),
        (-11, {}, ["Segmentation fault"], TrainingFailed, "Segmentation fault"),
    ],
)
def test_a_training_that_ends_without_a_model_is_told_by_its_reason(
    code: int, last: dict[str, str], said: list[str], kind: type[Exception], words: str
) -> None:
    error = failure(code, last, said)
    assert type(error) is kind
    assert words in str(error)


def test_protocols_of_other_classes_have_other_digests() -> None:
    protocol = some_protocol()
    others: list[Protocol] = [
        replace(protocol, classes=("vein",)),
        replace(protocol, recipe=replace(protocol.recipe, epochs=9)),
        replace(protocol, frames=protocol.frames[1:]),
    ]
    assert len({each.digest for each in (protocol, *others)}) == 4
