"""The place of the sockets: every caller finds it, and nobody else gets at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters import settings as module
from adapters.environment import load_settings
from adapters.services.paths import Paths
from adapters.settings import SOCKET_BYTES, Settings
from loop.errors import Denied
from tests.conftest import ROOT
from tests.machine import give_up
from tests.services.homes import make_settings

CONNECT = """
import socket, sys
from pathlib import Path
from adapters.environment import load_settings
with socket.socket(socket.AF_UNIX) as ours:
    ours.connect(str(load_settings(Path(sys.argv[1])).redis_socket))
"""
WITH_A_TMP_OF_ITS_OWN = """
mount --bind "$1" /mnt && mount --bind "$4" /media && mount -t tmpfs tmpfs /tmp || exit 99
mkdir -p "$1" "$4" && mount --bind /mnt "$1" && mount --bind /media "$4" || exit 99
exec "$2" -c "$3" "$1"
"""
UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
IN_HOME = Path("run", "sockets")


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path."""
    made = Path(tempfile.mkdtemp(prefix="sl-"))
    yield made
    shutil.rmtree(made)


def settings_of(home: Path, **changes: str) -> Settings:
    return make_settings(home.parent, home=home, **changes)


def of_length(folder: Path, socket_bytes: int) -> Settings:
    """A home whose longest socket's path is so long."""
    rest = len(os.fsencode(folder / "h" / IN_HOME / module.LONGEST_SOCKET)) - 1
    return settings_of(folder / ("h" * (socket_bytes - rest)))


@contextmanager
def bound(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener
    path.unlink()


@pytest.mark.parametrize("longer", [-20, 0, 1, 100])
def test_any_home_has_sockets_that_can_be_bound_under_the_supervisors_first_name_too(
    folder: Path, longer: int
) -> None:
    settings = of_length(folder, SOCKET_BYTES + longer)
    try:
        Paths(settings).make_folders()
        assert (settings.socket_dir == settings.root / IN_HOME) == (longer <= 0)
        assert settings.socket_dir.stat().st_mode & 0o777 == 0o700
        with bound(Paths(settings).socket.with_name(f"{module.LONGEST_SOCKET}.4194304")):
            pass
    finally:
        shutil.rmtree(settings.socket_dir, ignore_errors=True)


@pytest.mark.parametrize("name", ["a home", "h ;x", "h%20", "h#x", "h?x", "heim-ü", "h\nx"])
def test_a_path_that_an_address_or_the_supervisor_would_read_otherwise_holds_none(
    folder: Path, name: str
) -> None:
    settings = settings_of(folder / name)
    assert settings.socket_dir.parent == Path("/tmp")  # noqa: S108
    assert settings.socket_dir.name == settings.identifier


def test_two_homes_have_two_places_and_each_user_their_own(folder: Path) -> None:
    found = {settings_of(folder / (name * length)).socket_dir for name in "ab" for length in (1, 100)}
    assert len(found) == 4


def test_where_others_run_the_services_each_host_keeps_its_own(folder: Path) -> None:
    settings = settings_of(folder / "home", services="elsewhere")
    assert settings.socket_dir.parent == Path("/tmp")  # noqa: S108


def test_a_caller_with_a_tmp_of_its_own_reaches_them(folder: Path) -> None:
    """As under systemd's PrivateTmp; the home itself is reached under its name."""
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        give_up("mounts of one's own: this user may make none")
    home = folder / "home"
    settings = load_settings(home)
    Paths(settings).make_folders()
    words = [*UNSHARE, "sh", "-c", WITH_A_TMP_OF_ITS_OWN, "sh", str(home), sys.executable, CONNECT, str(ROOT)]
    with bound(settings.redis_socket):
        done = subprocess.run(
            words,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["link", "stranger"])
def test_a_place_that_somebody_else_took_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Where everybody may write anybody may have been there first."""
    monkeypatch.setattr(module, "SOCKETS", folder)
    settings = of_length(folder, 2 * SOCKET_BYTES)
    if kind == "link":
        (folder / "theirs").mkdir()
        settings.socket_dir.symlink_to(folder / "theirs")
    elif os.geteuid() != 0:
        give_up("only root makes folders of others")
    else:
        settings.socket_dir.mkdir()
        os.chown(settings.socket_dir, 12345, 12345)
    with pytest.raises(Denied, match="a folder of your own"):
        Paths(settings).make_folders()
