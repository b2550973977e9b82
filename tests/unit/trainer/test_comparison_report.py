"""From judged frames to figures and files; which frames are shown."""

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
from loop.errors import BadRequest
from tests.discs import draw_disc
from tests.judged import judged, some_report, some_runs
from trainer.comparison.aggregate import aggregate
from trainer.comparison.choice import choose_frames
from trainer.comparison.failures import Failure, to_error
from trainer.comparison.idle import idle_note
from trainer.comparison.judge import JudgedFrame, Result
from trainer.comparison.report import Report, bracket, caption, make_report, share, signed
from trainer.comparison.statistic import STATISTICS
from trainer.comparison.writing import frames_csv, markdown, table_csv, to_dict
from trainer.metrics import Counts, count, score
from trainer.metrics.counts import OUTCOMES, frame_dice
from trainer.preparation import Preparation
from trainer.recipes import RECIPES


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


def test_a_difference_counts_the_frames_that_have_a_value_for_both_networks() -> None:
    """Two of six frames show nothing. One network leaves them empty, the other draws there: what it draws on
    the other frames is better all the same, and every one of them says so.
    """
    clean = [judged(n, f"clip{n}", 4, is_empty=n > 3) for n in range(6)]
    frames = [judged(n, f"clip{n}", 1) for n in range(4)]
    alarms = [alarm(judged(n, f"clip{n}", 0)) for n in (4, 5)]
    (first, other), (difference,) = aggregate({"clean": [clean], "alarms": [frames + alarms]}, 300)
    gap = difference.figures["dice"]
    pairs = zip(frames, clean, strict=False)
    each = [(frame_dice(one.counts) or 0) - (frame_dice(two.counts) or 0) for one, two in pairs]
    assert gap.value == pytest.approx(np.mean(each))
    assert gap.low is not None
    assert gap.high is not None
    assert min(each) - 1e-9 <= gap.low <= gap.high <= max(each) + 1e-9
    assert gap.low > 0
    assert gap.clips == 4
    of_cells = (other.figures["dice"].value or 0) - (first.figures["dice"].value or 0)
    assert of_cells < 0, "by the frames of its own the better drawing would look worse"
    for name in ("acc", "miou", "dice_empty_as_one"):  # pooled, or of every frame: both have the same
        assert difference.figures[name].value == pytest.approx(
            (other.figures[name].value or 0) - (first.figures[name].value or 0)
        )


def alarm(frame: JudgedFrame) -> JudgedFrame:
    """As if what is drawn there were drawn on a frame that shows nothing."""
    counts = frame.counts
    drawn, nothing = counts.tp + counts.fp, np.zeros_like(counts.tp)
    return replace(frame, counts=Counts(nothing, drawn, nothing, counts.tn + counts.fn))


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


def test_seeds_that_differ_widen_an_interval() -> None:
    frames = [judged(n, f"clip{n}", 2) for n in range(6)]
    worse = [judged(n, f"clip{n}", 12) for n in range(6)]
    (steady, shaky), _ = aggregate({"steady": [frames, frames], "shaky": [frames, worse]}, 300)
    widths = [(each.figures["dice"].high or 0) - (each.figures["dice"].low or 0) for each in (steady, shaky)]
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_of_one_test_clip_there_are_values_without_intervals(seeds: int) -> None:
    """Seeds that differ say nothing of another clip either."""
    runs = {
        name: [[judged(n, "clip", shift + seed + n) for n in range(4)] for seed in range(seeds)]
        for name, shift in (("one", 1), ("other", 4))
    }
    networks, (difference,) = aggregate(runs, 50)
    for figures in (networks[0].figures, networks[1].figures, difference.figures):
        assert all(each.value is not None for each in figures.values())
        assert {(each.low, each.high) for each in figures.values()} == {(None, None)}


def test_a_figure_that_two_clips_alone_define_has_no_interval_while_others_have() -> None:
    """Of four clips two are empty and drawn so: Dice knows two clips, accuracy all."""
    frames = [judged(n, f"clip{n}", 1 + n, is_empty=n > 1) for n in range(4)]
    better = [judged(n, f"clip{n}", 0, is_empty=n > 1) for n in range(4)]
    (first, _), (difference,) = aggregate({"one": [frames], "other": [better]}, 200)
    for figures in (first.figures, difference.figures):
        assert figures["dice"].value is not None
        assert figures["dice"].low is figures["dice"].high is None
        assert figures["acc"].low is not None
        assert (figures["dice"].clips, figures["acc"].clips) == (2, 4)


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


def with_gaps(*missing: tuple[str, int]) -> Report:
    """Three networks with two seeds, without the results of these."""
    report = some_report(("resnet34-unet", "fcn8s", "unet"))
    results = [each for each in report.results if (each.network, each.seed) not in missing]
    words = ("a loss of nan", "a model", "lower learning_rate\nTraceback")
    failures = [Failure(*pair, *words) for pair in missing]
    return make_report(report.protocol, report.plan, report.costs, report.timing, results, failures)


def test_figures_are_means_over_the_seeds_that_are_there_and_the_others_are_named() -> None:
    report, whole = with_gaps(("fcn8s", 0)), some_report(("resnet34-unet", "fcn8s", "unet"))
    alone = score([frame.counts for frame in whole.of_network("fcn8s")[1].frames]).dice_mean
    assert alone is not None
    figure = report.networks[1].figures["dice"]
    assert figure.value == pytest.approx(alone)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= alone <= figure.high
    assert report.networks[0].figures["dice"].value == whole.networks[0].figures["dice"].value
    words = caption(report)
    assert words[0] == "fcn8s seed 0 has no result: a loss of nan. What helps: lower learning_rate."
    assert words[1] == "The figures of fcn8s are those of seed 1 alone."
    assert not any("Differences are to" in line for line in words)
    assert (report.first_seed("fcn8s"), report.first_seed("unet")) == (1, 0)


def test_a_network_without_any_result_stands_in_every_table_as_failed() -> None:
    report = with_gaps(("resnet34-unet", 0), ("resnet34-unet", 1))
    assert [each.network for each in report.differences] == ["unet"]
    assert "Differences are to fcn8s, since resnet34-unet has no result." in caption(report)
    assert "| `resnet34-unet` | failed | – |" in markdown(report)
    rows = list(csv.DictReader(io.StringIO(table_csv(report))))
    assert [(row["network"], row["seeds"], row["dice"] == "") for row in rows] == [
        ("fcn8s", "2", False),
        ("unet", "2", False),
        ("resnet34-unet", "0", True),
    ]
    for width in (100, 40):  # the table, and the list of a narrow terminal
        shown = Console(width=width, file=io.StringIO(), color_system=None)
        with shown.capture() as printed:
            shown.print(render_report(report, width))
        assert [line for line in printed.get().splitlines() if "resnet34-unet" in line and "failed" in line]
    content = json.loads(json.dumps(to_dict(report), allow_nan=False))
    assert [(each["network"], each["seed"]) for each in content["failures"]] == [
        ("resnet34-unet", 0),
        ("resnet34-unet", 1),
    ]


def test_one_error_names_all_failures_each_reason_and_each_cure_once() -> None:
    error = to_error(with_gaps(("fcn8s", 0), ("fcn8s", 1), ("unet", 1)).failures, 6)
    assert (
        error.got
        == "3 of 6 trainings without a result (fcn8s seed 0, fcn8s seed 1, unet seed 1: a loss of nan)"
    )
    assert error.todo == "lower learning_rate"
