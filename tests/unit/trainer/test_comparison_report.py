"""What table, words and files of a comparison say."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from cli.compare_table import render_report
from tests.discs import draw_disc
from tests.judged import alarm, judged, some_report
from trainer.comparison.idle import idle_note
from trainer.comparison.judge import JudgedFrame, Result
from trainer.comparison.report import Report, bracket, caption, make_report, share, signed
from trainer.comparison.writing import frames_csv, markdown, table_csv, to_dict
from trainer.metrics import Counts, count
from trainer.metrics.counts import OUTCOMES
from trainer.preparation import Preparation
from trainer.recipes import RECIPES


def test_the_words_say_where_a_difference_has_other_frames_than_the_cells() -> None:
    report = some_report(("resnet34-unet", "fcn8s"))
    said = "Differences of Dice: over the frames that have one for both networks"
    assert said not in "\n".join(caption(report))
    results = []
    for result in report.results:
        first, *rest = result.frames
        empty = judged(first.number, first.group, 0, is_empty=True)
        change = empty if result.network == "fcn8s" else alarm(first)
        results.append(replace(result, frames=(change, *rest)))
    again = make_report(report.protocol, report.plan, report.costs, report.timing, results)
    assert said in "\n".join(caption(again))


def test_a_missing_interval_is_shown_and_explained_wherever_figures_are() -> None:
    report = one_clip_report()
    figures = report.networks[0].figures
    assert bracket(figures["dice"]) == "[–]"
    assert bracket(report.differences[0].figures["dice"], is_difference=True) == "[–]"
    assert "[–]: no interval, for fewer than three test clips" in "\n".join(caption(report))
    assert "[–]" not in "\n".join(caption(some_report(("resnet34-unet", "fcn8s"))))
    text = markdown(report)
    assert f"{share(figures['dice'].value)} [–]" in text
    assert f"{figures['hd95'].value:.1f} [–]" in text
    head, row, _ = ([*line] for line in csv.reader(io.StringIO(table_csv(report))))
    cells = dict(zip(head, row, strict=True))
    assert cells["dice"]
    assert (cells["dice_low"], cells["dice_high"]) == ("", "")
    content = json.loads(json.dumps(to_dict(report), allow_nan=False))
    dice = content["networks"][0]["figures"]["dice"]
    assert dice == {"value": figures["dice"].value, "low": None, "high": None, "clips": 1}
    for width in (100, 40):  # the table, and the list of a narrow terminal
        shown = Console(width=width, file=io.StringIO(), color_system=None)
        with shown.capture() as printed:
            shown.print(render_report(report, width))
        assert printed.get().count("[–]") >= 3 + 3 + 3 + 1, "two networks, their difference, the words"


def test_a_table_of_three_to_five_clips_says_that_its_intervals_hold_less_often() -> None:
    for clips, is_said in ((2, False), (3, True), (5, True), (6, False)):
        words = "\n".join(caption(few_clips_report(clips)))
        assert (f"the fewest {clips}: below six a 95 % interval holds less often" in words) == is_said
        assert ("[–]" in words) == (clips < 3)


def one_clip_report() -> Report:
    return few_clips_report(1)


def few_clips_report(clips: int) -> Report:
    """Eight test frames of so many clips."""
    report = some_report(("resnet34-unet", "fcn8s"))
    results = [
        replace(
            result,
            frames=tuple(replace(f, group=f"clip{n % clips}") for n, f in enumerate(result.frames)),
        )
        for result in report.results
    ]
    return make_report(report.protocol, report.plan, report.costs, report.timing, results)


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


def drawing(report: Report, network: str, seeds: Sequence[int], is_drawn: bool) -> Report:
    """As if a network, with these seeds, had drawn nothing on any frame, or everything on all."""

    def idle(frame: JudgedFrame) -> JudgedFrame:
        truth = draw_disc(frame.number)[1]
        return replace(frame, counts=count(np.full_like(truth, is_drawn), truth))

    results = [
        replace(each, frames=tuple(map(idle, each.frames)))
        if each.network == network and each.seed in seeds
        else each
        for each in report.results
    ]
    return make_report(report.protocol, report.plan, report.costs, report.timing, results)


def test_a_network_that_draws_nothing_or_everything_is_named_with_what_helps() -> None:
    report = some_report(("resnet34-unet", "fcn8s"))
    assert "What helps" not in "\n".join(caption(report))
    for seeds, said in (((0, 1), "2 of 2 seeds"), ((1,), "1 of 2 seeds")):
        words = "\n".join(caption(drawing(report, "fcn8s", seeds, is_drawn=False)))
        assert f"\nfcn8s drew nothing on any test frame ({said})." in words
        assert "--recipe general, more epochs in a recipe file, --weights imagenet, more labelled" in words
        words = "\n".join(caption(drawing(report, "fcn8s", seeds, is_drawn=True)))
        assert f"\nfcn8s called every pixel of every test frame vessel ({said})." in words
    both = drawing(drawing(report, "fcn8s", (0, 1), False), "resnet34-unet", (0, 1), False)
    assert "\nresnet34-unet, fcn8s drew nothing on any test frame (2 of 2 seeds)." in "\n".join(caption(both))
    pretrained = replace(both.protocol, base="imagenet", recipe=RECIPES["general"])
    words = "\n".join(caption(replace(both, protocol=pretrained)))
    assert "What helps, with another --out: more epochs in a recipe file, more labelled frames." in words


def test_a_class_that_a_network_never_draws_is_named_unless_no_test_frame_shows_it() -> None:
    report = drawing(some_report(("fcn8s",), 1), "fcn8s", (0,), is_drawn=False)
    (idle,), (learned,) = report.results, some_report(("fcn8s",), 1).results

    def beside(frames: Sequence[JudgedFrame]) -> list[Result]:
        """The learned class first, and after it the one of these frames."""
        pairs = zip(learned.frames, frames, strict=True)
        outcomes = [
            Counts(*(np.concatenate([getattr(x.counts, n), getattr(y.counts, n)]) for n in OUTCOMES))
            for x, y in pairs
        ]
        both = zip(learned.frames, outcomes, strict=True)
        return [replace(learned, frames=tuple(replace(frame, counts=each) for frame, each in both))]

    protocol = replace(report.protocol, classes=("vein", "nerve"))
    assert idle_note(protocol, beside(idle.frames))[0] == "fcn8s drew no nerve on any test frame."
    assert idle_note(protocol, beside(learned.frames)) == []
    empty = [judged(each.number, each.group, 0, is_empty=True) for each in idle.frames]
    assert idle_note(protocol, beside(empty)) == []


def test_a_caption_names_what_is_done_to_a_frame_and_what_the_costs_are_of() -> None:
    report = some_report(("resnet34-unet", "fcn8s"))
    plain = "\n".join(caption(report))
    assert "ms: median forward pass of one frame of 512 px" in plain
    assert "tile" not in plain
    assert "Every frame first" not in plain
    made = Preparation(
        crop="box", box=(0.1, 0, 0.9, 1), clahe_clip=2, clahe_grid=4, tiles=True, tile_frame=1024
    )
    recipe = replace(report.protocol.recipe, size=256, preparation=made)
    tiled = replace(report, protocol=replace(report.protocol, recipe=recipe))
    words = "\n".join(caption(replace(tiled, timing=replace(report.timing, size=256))))
    assert "crop to the box 0.1, 0, 0.9, 1 (share); CLAHE of 2 on 4 x 4 fields; tiles of 256 px" in words
    assert "from a longest side of 1024 px, which overlap by 0.5 or more." in words
    assert "GMAC, ms: of one tile alone" in words
    assert "median forward pass of a tile of 256 px" in words
    assert "Tiles of 256 px: the published study used whole frames of 512 px" in words
    assert "one frame" not in words


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
