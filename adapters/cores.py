"""How many cores this process may fill: its share of the machine, where it was given one.

More threads than that do not wait for cores, they are stopped for the rest of each tenth of a second.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Those that the process may run on, or as many as its control groups allow, rounded up; at least 1."""
    return max(1, min([_allowed(), *map(math.ceil, _quotas())]))


def _allowed() -> int:
    # A set of cores (taskset, a container's cpuset, a batch system) shows here only; some systems know none.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    for group in _groups():
        with suppress(OSError, ValueError):  # "max" is no limit, and which files there are is the kernel's
            quota, period = (group / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with suppress(OSError, ValueError):
            quota, period = ((group / f"cpu.cfs_{word}_us").read_text() for word in ("quota", "period"))
            if int(quota) > 0:
                yield int(quota) / int(period)


def _groups() -> Iterator[Path]:
    """This process's and every one around it, for each may limit it, in the second and the first version of
    control groups. In a container its own group may be mounted in place of the uppermost.
    """
    try:
        lines = [line.split(":", 2) for line in MEMBERSHIP.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in lines:
        if not controllers:
            yield from _down_to(GROUPS, path)
        elif "cpu" in controllers.split(","):
            yield from _down_to(GROUPS / "cpu", path)


def _down_to(uppermost: Path, path: str) -> Iterator[Path]:
    return accumulate(path.strip("/").split("/"), Path.__truediv__, initial=uppermost)
