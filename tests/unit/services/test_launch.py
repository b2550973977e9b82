"""A service that cannot start says why in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_service_whose_port_is_taken_ends_and_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        chosen = {"SONOLOOP_HOME": str(tmp_path), "SONOLOOP_LABEL_STUDIO_PORT": str(number)}
        done = subprocess.run(
            [sys.executable, "-m", "adapters.services.launch", "label-studio"],
            cwd=ROOT,
            env={**os.environ, **chosen},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {number} (for label-studio) in use" in done.stderr


def test_bad_settings_are_told_in_a_sentence_without_a_trace(tmp_path: Path) -> None:
    wrong = {"SONOLOOP_HOME": str(tmp_path), "SONOLOOP_BACKEND_PORT": "ninety"}
    done = subprocess.run(
        [sys.executable, "-m", "adapters.services.launch", "redis"],
        cwd=ROOT,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("got ")
    assert "SONOLOOP_BACKEND_PORT" in done.stderr
    assert "Traceback" not in done.stderr
