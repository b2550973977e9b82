"""A home at work: no packet leaves the machine, nobody else can call in, and no secret lies about."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import CLIPS
from tests.e2e.homes import draw_clips
from tests.machine import demand_label_studio, give_up

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
OWN_NETWORK = ["unshare", "--map-root-user", "--net"]


def can_be_sealed() -> bool:
    """Whether this user may make a network of their own (Linux with user namespaces)."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    return subprocess.run([*OWN_NETWORK, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One home's working day, see `tests.e2e.watched`."""
    demand_label_studio()
    frames = draw_clips(tmp_path_factory.mktemp("watched"), CLIPS, 2)
    program = [sys.executable, "-m", "tests.e2e.watched", str(frames)]
    command = [*OWN_NETWORK, *program, "--sealed"] if can_be_sealed() else program
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=540)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_day_was_a_whole_one(seen: dict[str, Any]) -> None:
    assert seen["looks"] > 50
    assert len(seen["programs"]) >= 6
    assert seen["states"][-1] != "planned", "the round began"


def test_the_watch_sees_what_wants_out() -> None:
    if not can_be_sealed():
        give_up("a network of our own: needs Linux with user namespaces")
    command = [*OWN_NETWORK, sys.executable, "-m", "tests.e2e.watched", "--attempt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1


def test_nothing_left_the_machine_not_even_a_question_for_a_name(seen: dict[str, Any]) -> None:
    assert seen["remote"] == []
    assert seen["unrouted"] in (0, None)
    assert (seen["unrouted"] is None) != can_be_sealed()


def test_every_open_port_is_open_to_this_machine_alone(seen: dict[str, Any]) -> None:
    assert len(seen["listening"]) == 2, "Label Studio and the backend"
    assert all(ip_address(each.rpartition(":")[0]).is_loopback for each in seen["listening"])


def test_no_secret_stands_in_logs_outputs_or_command_lines(seen: dict[str, Any]) -> None:
    assert seen["told"] == []


def test_what_holds_secrets_or_frames_is_for_its_owner_alone(seen: dict[str, Any]) -> None:
    assert {name: mode for name, mode in seen["modes"].items() if mode[-2:] != "00"} == {}
