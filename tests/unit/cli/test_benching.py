"""`sonoloop bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.benching import list_benchmarks, run_benchmark
from loop.errors import BadRequest

ROOT = Path(__file__).resolve().parents[3]


def test_every_benchmark_is_listed_with_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"database", "load", "phantoms", "webhook"} <= list_benchmarks().keys()
    assert run_benchmark("", []) == 0
    shown = capsys.readouterr().out
    assert all(name in shown and words and words in shown for name, words in list_benchmarks().items())


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(BadRequest, match="load"):
        run_benchmark("../loop", [])


def test_the_help_of_a_benchmark_is_its_own() -> None:
    words = [sys.executable, "-P", "-m", "cli", "bench", "load", "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--readers" in done.stdout
