"""How the kernel's kills are counted, and what a round that found too little memory says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loop.records import Project
from tests.discs import TINY
from worker.memory import count_oom_kills, too_little_memory

PROJECT = Project(1, "Veins", ("vein",))


def lay_out(monkeypatch: pytest.MonkeyPatch, folder: Path, membership: str) -> None:
    """Groups in a folder, for a process with this in its /proc/self/cgroup; the machine counts 7."""
    (folder / "membership").write_text(membership)
    (folder / "vmstat").write_text("pgfault 1234\noom_kill 7\n")
    monkeypatch.setattr("worker.memory.MEMBERSHIP", folder / "membership")
    monkeypatch.setattr("worker.memory.MACHINE", folder / "vmstat")
    monkeypatch.setattr("worker.memory.GROUPS", folder)


@pytest.mark.parametrize(
    ("membership", "file", "content"),
    [
        ("0::/\n", "memory.events", "low 0\nmax 81\noom 3\noom_kill 2\noom_group_kill 0\n"),
        ("0::/user.slice/one.scope\n", "user.slice/one.scope/memory.events", "oom_kill 2\n"),
        (
            "5:cpu:/\n4:memory:/docker/1f\n0::/\n",
            "memory/docker/1f/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        ),
    ],
)
def test_the_kills_of_ones_own_group_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, file: str, content: str
) -> None:
    lay_out(monkeypatch, tmp_path, membership)
    assert count_oom_kills() == 7, "no group says: the machine's count"
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("oom_kill_disable 0\n")
    assert count_oom_kills() == 7, "an old kernel counts none in a group"
    (tmp_path / file).write_text(content)
    assert count_oom_kills() == 2


def test_a_system_without_groups_and_counts_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEMBERSHIP", "MACHINE", "GROUPS"):
        monkeypatch.setattr(f"worker.memory.{name}", tmp_path / "nothing")
    assert count_oom_kills() == 0


def test_a_round_without_memory_says_what_was_tried_and_what_to_do() -> None:
    tried = [replace(TINY, size=512, batch=8), replace(TINY, size=512, batch=4)]
    assert too_little_memory(tried, PROJECT).message == (
        "got a training that ran out of memory with batches of 8 and then 4 frames of 512 px; "
        "need more memory for the train worker, or smaller frames; "
        "free some, or start the services again with SONOLOOP_IMAGE_SIZE=256; then ./sonoloop round"
    )


@pytest.mark.parametrize("settings", [{"size": 512}, {"recipe": TINY.to_dict()}])
def test_a_setting_that_has_no_say_in_a_project_is_not_advised(settings: dict[str, object]) -> None:
    said = too_little_memory([replace(TINY, size=512)], replace(PROJECT, settings=settings)).message
    assert "SONOLOOP_IMAGE_SIZE" not in said
    assert "--size 256" in said


def test_frames_that_cannot_be_smaller_ask_for_memory_alone() -> None:
    said = too_little_memory([replace(TINY, size=32, batch=1)], PROJECT).message
    assert "need more memory for the train worker; free some, then ./sonoloop round" in said
