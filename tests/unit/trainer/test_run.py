"""The training process as its supervisor sees it: a real process, its lines and its exit code."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loop.masks import pack
from loop.training_records import Split
from tests.discs import TINY, disc_job, draw_disc
from trainer.checkpoint import CHECKPOINT
from trainer.job import JobSpec
from trainer.metrics import Counts, score
from trainer.run import run
from trainer.weights import load_weights
from worker.job import read_outcomes

Event = dict[str, Any]


def start(job: JobSpec, file_limit: int | None = None) -> subprocess.Popen[str]:
    path = job.out.with_suffix(".json")
    job.write(path)
    return started(path, file_limit)


def started(path: Path, file_limit: int | None = None) -> subprocess.Popen[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit or 0, resource.RLIM_INFINITY))

    return subprocess.Popen(
        [sys.executable, "-m", "trainer.run", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit if file_limit else None,
    )


def told(job: JobSpec) -> list[Event]:
    """What a job tells when it runs in this process, which saves the seconds of importing torch again."""
    events: list[Event] = []
    before = signal.getsignal(signal.SIGTERM)
    run(job, lambda event, **fields: events.append({"event": event, **fields}))
    signal.signal(signal.SIGTERM, before)
    return json.loads(json.dumps(events))  # type: ignore[no-any-return]


def finished(process: subprocess.Popen[str]) -> tuple[int, list[Event]]:
    out, _ = process.communicate(timeout=120)
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def named(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event["event"] == name]


@pytest.mark.full
def test_a_training_that_is_terminated_and_resumed_ends_with_a_judged_model(tmp_path: Path) -> None:
    job = disc_job(
        tmp_path, replace(TINY, epochs=6, steps=12), {Split.TRAIN: 8, Split.INNER: 2, Split.HELD_OUT: 3}
    )
    broken = job.of_split(Split.HELD_OUT)[0]
    broken.mask.write_bytes(pack(draw_disc(1, 9, 9)[1]))

    first = start(job)
    assert first.stdout is not None
    lines = iter(first.stdout.readline, "")
    next(line for line in lines if json.loads(line)["event"] == "epoch")
    asked = time.monotonic()
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 143
    assert time.monotonic() - asked < 60, "it waited for the end of the training"
    assert (job.out / CHECKPOINT).exists()

    resumed = replace(job, out=tmp_path / "second", resume_from=job.out)
    events = told(resumed)
    [began], [done] = named(events, "start"), named(events, "done")
    epochs = [event["epoch"] for event in named(events, "epoch")]
    assert 1 <= began["resumed"] < 6
    assert epochs == list(range(began["resumed"] + 1, 7))
    assert {"loss", "dice", "seconds", "eta_seconds", "epochs"} <= named(events, "epoch")[0].keys()
    assert [event["frame_id"] for event in named(events, "set-aside")] == [broken.frame_id]

    load_weights(Path(done["weights"]), done["digest"])
    outcomes, champions = read_outcomes(Path(done["evaluation"]))
    assert champions is None
    assert [outcome.group for outcome in outcomes] == ["clip11", "clip12"]
    counts = [Counts(each.tp, each.fp, each.fn, each.tn) for each in outcomes]
    assert all(each.tp + each.fp + each.fn + each.tn == 8000 for each in outcomes)
    assert done["metrics"]["held_out"] == score(counts).to_dict()
    assert done["metrics"]["champion_held_out"] is None

    champion = Path(done["weights"]).rename(tmp_path / "champion")
    events = told(replace(resumed, out=tmp_path / "third", resume_from=resumed.out, champion=champion))
    assert named(events, "epoch") == [], "all epochs were done: only the judging is repeated"
    [rivals] = named(events, "done")
    assert rivals["digest"] == done["digest"]
    assert rivals["metrics"]["champion_held_out"] == done["metrics"]["held_out"]


def test_a_full_disk_ends_it_with_its_own_code_and_no_half_file(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    code, events = finished(start(job, file_limit=4 << 20))
    assert code == 5
    assert events[-1]["event"] == "failed"
    assert events[-1]["reason"] == "disk full"
    assert list(job.out.iterdir()) == []


def test_a_job_at_fault_says_so(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{}")
    code, events = finished(started(tmp_path / "job.json"))
    assert (code, events[-1]["reason"]) == (2, "bad input")
    assert str(tmp_path) not in events[-1]["message"], "messages carry no paths"


def test_without_a_supervisor_it_stops(tmp_path: Path) -> None:
    process = start(disc_job(tmp_path, replace(TINY, epochs=60, steps=600)))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 143
