"""The load drill on a small scale: that it runs to its end and finds nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.loading.drill import drill
from benchmarks.loading.plan import FLOOD, PACED, Plan
from benchmarks.loading.report import print_report, save
from cli.system_parts import POSTGRES
from tests.conftest import demand
from tests.machine import demand_label_studio

PLAN = Plan(readers=2, frames=40, minutes=0.2, flood_minutes=0.1, pace=1.0, new_labels=5)


@pytest.mark.full
@pytest.mark.services
@pytest.mark.timeout(900)
def test_two_readers_lose_nothing_under_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demand(POSTGRES)
    demand_label_studio()
    outcome = drill(PLAN)
    submits = [call for call in outcome.ours.log.calls if call.kind == "submit"]
    assert {call.phase for call in submits} == {PACED, FLOOD}
    assert (outcome.missing, outcome.surplus) == (0, 0)
    assert outcome.annotations == len(submits)
    assert not outcome.ours.log.errors
    assert len(outcome.webhooks) >= len(submits)
    assert {"label-studio", "backend", "worker-light", "postgresql"} <= outcome.ours.looks[-1].memory.keys()
    save(outcome, tmp_path)
    assert (tmp_path / "load.png").stat().st_size < 150_000
    print_report(outcome)
    shown = capsys.readouterr().out
    assert all(
        words in shown for words in ("Submit, p99", "webhook, p99", "worker-light", "Label Studio alone")
    )
