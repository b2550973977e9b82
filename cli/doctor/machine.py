"""The machine: packages, disk, memory, processor, graphics card, clock."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

import psutil
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from adapters.label_studio import server
from adapters.services.programs import LABEL_STUDIO, PROJECT_ROOT, service_names
from cli.doctor.advice import START
from cli.doctor.findings import Check, Finding, fail, ok, warn
from cli.doctor.installation import ANSWER_SECONDS, Installation

LOCKS = PROJECT_ROOT / "requirements"
LITTLE_DISK, TOO_LITTLE_DISK = 5e9, 0.5e9
LITTLE_MEMORY, TOO_LITTLE_MEMORY = 6e9, 0.5e9
SLOW_WRITE_SECONDS = 2.0
PROBE_BYTES = 1 << 20
SKEW_SECONDS, LARGE_SKEW_SECONDS = 5.0, 60.0
SHOWN = 3


def packages(_: Installation) -> Finding:
    """Python and every package of ours, against the lock."""
    if sys.version_info[:2] != (3, 11):
        return fail(f"Python {sys.version.split()[0]}", "Python 3.11", "install it, then remove .venv")
    return _compare(LOCKS / "app.lock", distributions(), ".venv")


def label_studio_packages(installation: Installation) -> Finding:
    """The same for Label Studio's own environment."""
    if LABEL_STUDIO not in service_names(installation.settings):
        return ok("elsewhere")
    folders = [str(path) for path in server.PYTHON.parents[1].glob("lib/python3.11/site-packages")]
    if not folders:
        return fail("no environment of Label Studio", "the one that the first start makes", START)
    return _compare(LOCKS / "label-studio.lock", distributions(path=folders), ".venv-label-studio")


def _compare(lock: Path, installed: Iterable[Distribution], environment: str) -> Finding:
    if not lock.is_file():
        return warn("no lock file to compare with", "a checkout of the project")
    wanted = dict(_pins(lock.read_text(encoding="utf-8").splitlines()))
    held = {str(canonicalize_name(each.name)): each.version for each in installed if each.name}
    wrong = [f"{name} {held.get(name, 'missing')}" for name, pin in wanted.items() if held.get(name) != pin]
    if not wrong:
        return ok(f"Python {sys.version.split()[0]}, {len(wanted)} packages as locked")
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    need = f"those of requirements/{lock.name}"
    return fail(f"{', '.join(wrong[:SHOWN])}{more}", need, f"remove {environment}, then " + START)


def _pins(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Name and version of every package that this system needs; lines of hashes are passed over."""
    for line in lines:
        try:
            pin = Requirement(line.removesuffix(" \\"))
        except InvalidRequirement:
            continue
        if pin.marker is None or pin.marker.evaluate():
            yield canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")


def disk(installation: Installation) -> Finding:
    """Room, and a write that reaches the disk, in the home and in the system's temporary folder."""
    said, least = [], float("inf")
    for name, folder in _folders(installation).items():
        seconds = _write_to(folder)
        free = shutil.disk_usage(folder).free
        least = min(least, free)
        said.append(f"{name} {free / 1e9:.1f} GB free, 1 MB in {1000 * seconds:.0f} ms")
        if seconds > SLOW_WRITE_SECONDS:
            return warn(
                "; ".join(said), f"below {SLOW_WRITE_SECONDS:.0f} s", "see what else keeps the disk busy"
            )
    text = "; ".join(said)
    if least < TOO_LITTLE_DISK:
        return fail(text, "0.5 GB at least", "make room: old rounds and exports first")
    return warn(text, "5 GB", "make room soon") if least < LITTLE_DISK else ok(text)


def _folders(installation: Installation) -> Mapping[str, Path]:
    return {"home": installation.settings.root, "temporary": Path(tempfile.gettempdir())}


def _write_to(folder: Path) -> float:
    """Seconds that a small file took to reach the disk. Raises OSError."""
    began = time.monotonic()
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(os.urandom(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - began


def memory(_: Installation) -> Finding:
    """All of it, and what is free for us."""
    found = psutil.virtual_memory()
    text = f"{found.total / 1e9:.1f} GB, {found.available / 1e9:.1f} GB of it free"
    if found.available < TOO_LITTLE_MEMORY:
        return fail(text, "0.5 GB free at least", "end what takes it")
    if found.total < LITTLE_MEMORY:
        return warn(text, "6 GB", "SONOLOOP_IMAGE_SIZE=256 and SONOLOOP_THREADS=2 need less")
    return ok(text)


def processor(installation: Installation) -> Finding:
    """Threads that we may use, against those that the settings ask for."""
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    asked = installation.settings.threads
    if asked > usable:
        return warn(f"{asked} threads on {usable} cores", "no more than cores", "mend SONOLOOP_THREADS")
    return ok(f"{usable} cores, {asked or 'all'} of them used")


def graphics(_: Installation) -> Finding:
    """Asked of torch where there may be one; torch takes seconds to load."""
    if not Path("/dev/nvidiactl").exists() and sys.platform != "darwin":
        return ok("none: recipe fast")
    import torch

    if torch.cuda.is_available():
        name, total = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
        return ok(f"{name}, {total / 1e9:.0f} GB: recipe thorough")
    if sys.platform == "darwin":
        return ok("mps: recipe fast" if torch.backends.mps.is_available() else "none: recipe fast")
    return warn(
        "a graphics card that torch cannot use", "its driver", "install NVIDIA's driver, see nvidia-smi"
    )


def clock(installation: Installation) -> Finding:
    """Ours against Label Studio's, which stamps what readers do; and whether ours was set meanwhile."""
    wall, steady = installation.began
    jump = abs((time.time() - wall) - (time.monotonic() - steady))
    if jump > SKEW_SECONDS:
        return warn(f"a clock that was set by {jump:.0f} s just now", "a steady one", "let NTP keep it")
    with installation.label_studio() as api:
        stamp = api.send("GET", "/health/", timeout=ANSWER_SECONDS).headers.get("Date", "")
    skew = abs(parsedate_to_datetime(stamp).timestamp() - time.time())
    if skew > LARGE_SKEW_SECONDS:
        return fail(f"{skew:.0f} s apart from Label Studio", "the same time", "let NTP keep both clocks")
    if skew > SKEW_SECONDS:
        return warn(f"{skew:.0f} s apart from Label Studio", "the same time", "let NTP keep both clocks")
    return ok("the same as Label Studio's")


CHECKS = (
    Check("packages", packages),
    Check("label studio's packages", label_studio_packages),
    Check("disk", disk, after=("home",), seconds=10),
    Check("memory", memory),
    Check("processor", processor),
    Check("graphics card", graphics, seconds=20, is_slow=True),
)
CLOCK = Check("clock", clock, after=("label studio",))
