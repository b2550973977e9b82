"""Want of memory: how the kernel tells of it, and what a person can do when half a batch is too much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from loop.errors import OutOfMemory
from loop.records import Project
from trainer.recipes import Recipe

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MACHINE = Path("/proc/vmstat")
STRIDE = 32
"""Sizes are multiples of it."""


def count_oom_kills() -> int:
    """How many processes the kernel has ended so far for want of memory in the control group of this
    process and its children; on the whole machine where the group does not say; 0 where neither does (macOS).
    """
    for file in (*_group_files(), MACHINE):
        count = _count_in(file)
        if count is not None:
            return count
    return 0


def _group_files() -> Iterable[Path]:
    """Where the second and the first version of control groups count for this process."""
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        return
    groups = [line.split(":", 2) for line in lines]
    for _, controllers, path in groups:
        if not controllers:
            yield GROUPS / path.strip("/") / "memory.events"
        elif "memory" in controllers.split(","):
            yield GROUPS / "memory" / path.strip("/") / "memory.oom_control"


def _count_in(file: Path) -> int | None:
    try:
        figures = dict(line.split() for line in file.read_text().splitlines())
        return int(figures["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None


def too_little_memory(tried: Sequence[Recipe], project: Project) -> OutOfMemory:
    """The error when the last of these recipes ran out of memory as the ones before it did."""
    batches = " and then ".join(str(recipe.batch) for recipe in tried)
    size = tried[-1].size
    got = f"a training that ran out of memory with batches of {batches} frames of {size} px"
    smaller = size // 2 // STRIDE * STRIDE
    need = "more memory for the train worker"
    if not smaller:
        return OutOfMemory(got, need, "free some, then ./sonoloop round")
    need += ", or smaller frames"
    if project.settings.get("size") or isinstance(project.settings.get("recipe"), Mapping):
        do = f"free some, then ./sonoloop round; or make a new project with --size {smaller}"
    else:
        setting = f"SONOLOOP_IMAGE_SIZE={smaller}"
        do = f"free some, or start the services again with {setting}; then ./sonoloop round"
    return OutOfMemory(got, need, do)
