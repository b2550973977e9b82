"""One real Label Studio for a whole test run, started as the product starts it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from adapters.environment import process_environment
from adapters.label_studio import server
from adapters.label_studio.api import Api
from adapters.label_studio.provision import ProjectPlan
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader
from adapters.settings import Settings
from tests.machine import demand_label_studio, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "label_studio.sqlite3"
START_SECONDS = 170.0
READER_PASSWORD = "Reader-pass-1"
ADMIN_PASSWORD = "Admin-pass-1"
TOKEN = "0123456789abcdef0123456789abcdef01234567"


ASK = """
import sys
from pathlib import Path
import label_studio
sys.path.insert(0, str(Path(label_studio.__file__).parent))
import django
django.setup()
"""
"""Makes a Python of Label Studio's what its server is, short of listening."""


@dataclass(frozen=True)
class LabelStudioServer:
    """A running server; `settings` are those it was started with.

    `frames` is its document root: the file `all/x.png` in it has the address `/data/local-files/?d=all/x.png`
    once the storage of some project opens the folder.
    """

    settings: Settings

    @property
    def url(self) -> str:
        return self.settings.effective_label_studio_url

    def ask(self, code: str) -> list[str]:
        """What `code` prints, word by word, in a process that is set up as the server's."""
        asked = subprocess.run(
            [str(server.PYTHON), "-P", "-c", ASK + code],
            env=process_environment(server.environment(self.settings)),
            cwd=self.settings.root,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return asked.stdout.split()

    @property
    def token(self) -> str:
        """The admin's token for the API."""
        return self.settings.label_studio_token.get_secret_value()

    @property
    def email(self) -> str:
        """The admin's account."""
        return self.settings.admin_email

    @property
    def password(self) -> str:
        return self.settings.admin_password.get_secret_value()

    @property
    def frames(self) -> Path:
        return self.settings.frames_dir

    def api(self) -> Api:
        """A connection that speaks as the admin; close it."""
        return Api(self.url, self.token)

    def reader(self, email: str) -> ReaderSession:
        """A logged-in reader, signed up when new; close it."""
        with self.api() as api:
            return ensure_reader(api, email, READER_PASSWORD)


@pytest.fixture(scope="session")
def label_studio_server() -> Iterator[LabelStudioServer]:
    """A real Label Studio, shared by the whole run: make a project of your own in it.

    Starts in half a minute, later in five seconds. A missing environment skips the test, or fails it on a
    build server.
    """
    demand_label_studio()
    with running_label_studio() as running:
        yield running


@pytest.fixture(scope="module")
def api(label_studio_server: LabelStudioServer) -> Iterator[Api]:
    """The API of the shared server, for its admin."""
    with label_studio_server.api() as api:
        yield api


def project_plan(title: str, classes: Sequence[str] = ("Vein",)) -> ProjectPlan:
    """A project like no other: its title ends in its key."""
    key = uuid4().hex
    return ProjectPlan(key, f"{title} {key[:8]}", classes, "p1-v0")


@contextmanager
def running_label_studio(**settings: object) -> Iterator[LabelStudioServer]:
    """A server of your own on a free port, in a folder that is gone afterwards; `settings` override ours."""
    home = Path(tempfile.mkdtemp(prefix="sonoloop-label-studio-"))
    own: dict[str, object] = {
        "label_studio_port": free_port(),
        "admin_password": SecretStr(ADMIN_PASSWORD),
        "label_studio_token": SecretStr(TOKEN),
    }
    made = Settings(home=home, **{**own, **settings})  # type: ignore[arg-type]
    (made.frames_dir / "all").mkdir(parents=True)
    copy_empty_database(made)
    try:
        with label_studio_process(made, process_environment(server.environment(made)), START_SECONDS):
            if not _template().exists():
                _copy_database(_database(made), _template())
            yield LabelStudioServer(made)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def copy_empty_database(settings: Settings) -> None:
    """Spare a Label Studio its migrations, if an earlier one has made them.

    Its admin has `ADMIN_PASSWORD` and `TOKEN`.
    """
    _copy_database(_template(), _database(settings))


def _database(settings: Settings) -> Path:
    return settings.root / "label-studio" / DATABASE


def _template() -> Path:
    """The empty database that the first start made, for the starts of later runs: its migrations take half a
    minute. Another Label Studio has another one.
    """
    lock = (ROOT / "requirements" / "label-studio.lock").read_bytes()
    return ROOT / ".pytest_cache" / "label-studio" / hashlib.sha256(lock).hexdigest()[:16] / DATABASE


def _copy_database(source: Path, target: Path) -> None:
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
        old.backup(new)
    part.replace(target)


@contextmanager
def label_studio_process(
    settings: Settings, environment: Mapping[str, str], seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Label Studio in exactly this environment, up within so many seconds, until the end of the block. Its
    log lies in the home.
    """
    log = settings.root / "label-studio.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            server.command(settings),
            env=environment,
            cwd=settings.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(settings.effective_label_studio_url, process, log, seconds)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    def is_up() -> bool:
        assert process.poll() is None, "Label Studio ended while starting"
        with suppress(httpx.HTTPError):
            return httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == 200
        return False

    try:
        wait_until(is_up, f"Label Studio at {url}", seconds)
    except AssertionError as error:
        error.add_note(_tail(log))
        raise


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
