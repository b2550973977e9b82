"""How many cores a process finds for itself, from the files by which the kernel says it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.cores import usable_cores


def give_cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let this process run on so many."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(count)), raising=False)


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "200000 100000\n", "cpu.max": "max 100000\n"}, 2),
        (
            "4:cpu,cpuacct:/docker/1f\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            8,
        ),
        (
            "0::/a.slice/b.service/w\n",
            {
                "a.slice/cpu.max": "100000 100000\n",
                "a.slice/b.service/cpu.max": "max 100000\n",
                "a.slice/b.service/w/cpu.max": "max 100000\n",
            },
            1,
        ),
        (
            "4:cpu,cpuacct:/batch/job/step\n",
            {
                "cpu/batch/job/cpu.cfs_quota_us": "300000\n",
                "cpu/batch/job/cpu.cfs_period_us": "100000\n",
                "cpu/batch/job/step/cpu.cfs_quota_us": "-1\n",
                "cpu/batch/job/step/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        ("5:memory:/\n", {"cpu.max": "200000 100000\n"}, 8),
        ("0::/\n", {}, 8),
    ],
)
def test_a_container_is_given_its_share_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], cores: int
) -> None:
    (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr("adapters.cores.MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr("adapters.cores.GROUPS", tmp_path)
    give_cores(monkeypatch, 8)
    assert usable_cores() == cores


def test_a_system_without_groups_has_all_its_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.cores.MEMBERSHIP", tmp_path / "nothing")
    give_cores(monkeypatch, 8)
    assert usable_cores() == 8


def test_a_system_without_sets_of_cores_has_all_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.cores.MEMBERSHIP", tmp_path / "nothing")
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert usable_cores() == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system knows no sets of cores")
def test_a_process_that_is_kept_to_one_core_counts_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
        "from adapters.cores import usable_cores; print(usable_cores())"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["1"]
