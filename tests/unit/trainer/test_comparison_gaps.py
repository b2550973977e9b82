"""What a report says of trainings without a result."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from cli.compare_table import render_report
from tests.judged import some_report
from trainer.comparison.failures import Failure, to_error
from trainer.comparison.report import Report, caption, make_report
from trainer.comparison.writing import markdown, table_csv, to_dict
from trainer.metrics import score


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
