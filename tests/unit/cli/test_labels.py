from __future__ import annotations

from collections import Counter

import pytest

from cli.labels import report
from loop.errors import SonoloopError
from loop.restoring import Restored, Return


def test_what_became_of_each_label_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    report(Restored(Counter({Return.BACK: 7, Return.NEWER: 2}), tasks=3, under_first_account=1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "labels: 7 brought back, 2 left, since their frames have newer ones"
    assert lines[1] == "  tasks made again: 3"
    assert lines[2].startswith("  under the first account: 1, ")


def test_nothing_to_do_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    report(Restored())
    assert capsys.readouterr().out.splitlines() == ["labels: 0 to bring back"]


def test_labels_that_stay_away_end_the_command_as_failed_and_name_each_reason_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reasons = ["got a mask [of] rubbish", "got a mask [of] rubbish", "got no such file"]
    with pytest.raises(SonoloopError, match="3 labels that could not be brought back"):
        report(Restored(Counter({Return.BACK: 1, Return.REFUSED: 3}), reasons=reasons))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["  refused got a mask [of] rubbish", "  refused got no such file"]
