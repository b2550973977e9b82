"""How many cores a process finds for itself, from the files by which the kernel says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cores import usable_cores


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
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert usable_cores() == cores


def test_a_system_without_groups_has_all_its_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.cores.MEMBERSHIP", tmp_path / "nothing")
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert usable_cores() == 8
