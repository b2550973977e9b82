"""One whole round on docker-compose.yml's own words: each service's command and environment as a plain
process, on real PostgreSQL, Redis, S3 and Label Studio.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.bootstrap import Container, build
from adapters.environment import load_settings
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader
from adapters.services.programs import redis_executable
from cli.project import connect_project, make_project
from cli.secrets import write_secrets
from cli.system_parts import COMPOSE, POSTGRES
from cli.work import WorkPlan
from tests.conftest import demand
from tests.e2e.homes import CLASS, Mirror, draw_clips
from tests.e2e.test_loop import BRIEF, SIDE, label, shown_version
from tests.machine import free_port, wait_until
from tests.postgres import running_postgres
from tests.services.compose import ROOT, Stand, resolved
from tests.services.label_studio import ADMIN_PASSWORD, READER_PASSWORD, TOKEN, copy_empty_database
from tests.services.s3 import RunningS3, running_s3

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]
OURS = ("backend", "worker-light", "worker-train-cpu", "beat")
LABELS = 10
BRIEFEST = replace(BRIEF, name="briefest", steps=4, epoch_steps=2, min_epochs=2)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Department:
    """All services of the file, up and healthy; `container` reaches them as the command does."""

    stand: Stand
    container: Container
    s3: RunningS3

    @property
    def home(self) -> Path:
        return self.container.settings.root

    def stored(self, prefix: str) -> set[str]:
        """The names of what lies in the bucket."""
        listed = self.s3.client().list_objects_v2(Bucket="sonoloop", Prefix=f"content/{prefix}/")
        return {item["Key"].rpartition("/")[2] for item in listed.get("Contents", [])}


@pytest.fixture(scope="module", params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.full)])
def department(request: pytest.FixtureRequest) -> Iterator[Department]:
    """`request.param`: what Label Studio keeps its data in; on PostgreSQL its migrations take minutes."""
    folder = Path(tempfile.mkdtemp(prefix="sonoloop-department-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        s3 = stack.enter_context(running_s3())
        s3.new_bucket("sonoloop")
        programs = demand(POSTGRES)
        postgres = urlsplit(stack.enter_context(running_postgres(programs))).port
        log = stack.enter_context((folder / "services.log").open("wb"))
        config = resolved(demand(COMPOSE), env_file(folder), "cpu", "command")
        stack.callback(lambda: sys.stdout.write(Path(log.name).read_text(errors="replace")[-6000:]))
        stand = Stand(config, *places(folder, s3, postgres or 0, request.param), folder, log)
        stack.callback(stand.end)
        make_databases(stand, programs, postgres or 0)
        start_all(stand, folder)
        wait_until(lambda: stand.is_healthy("label-studio"), "label-studio", 300)
        for name in OURS:
            wait_until(lambda name=name: stand.is_healthy(name), name, 180)  # type: ignore[misc]
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in stand.environment("sonoloop").items():
            if name.startswith(("SONOLOOP_", "AWS_")):
                patch.setenv(name, value)
        yield Department(stand, stack.enter_context(closing(build(load_settings()))), s3)


def env_file(folder: Path) -> Path:
    """What `./sonoloop secrets` writes; the account is the one of the copied empty database."""
    path = folder / "sonoloop.env"
    path.write_text(
        f"SONOLOOP_ADMIN_PASSWORD={ADMIN_PASSWORD}\nSONOLOOP_LABEL_STUDIO_TOKEN={TOKEN}\nTORCH=cpu\n"
    )
    write_secrets(path)
    return path


def places(
    folder: Path, s3: RunningS3, postgres: int, label_studio: str
) -> tuple[dict[str, str], dict[str, str], str]:
    """What is exchanged: addresses and words of the file, and where programs are found."""
    programs, home = folder / "bin", folder / "home"
    for made in (programs, home / "frames" / "all", home / "label-studio", folder / "valkey"):
        made.mkdir(parents=True)
    (programs / "valkey-server").symlink_to(redis_executable())
    studio, backend, valkey = free_port(), free_port(), free_port()
    addresses = {
        "postgres:5432": f"127.0.0.1:{postgres}",
        "valkey:6379": f"127.0.0.1:{valkey}",
        "http://storage:8333": s3.url,
        "label-studio:8080": f"127.0.0.1:{studio}",
        "localhost:8080": f"127.0.0.1:{studio}",
        "backend.internal:9090": f"127.0.0.1:{backend}",
        "localhost:9090": f"127.0.0.1:{backend}",
        "backend.internal": "127.0.0.1",
        # The network that Label Studio may call, and the one that it may not.
        ",127.0.0.0/8,": ",172.28.0.0/16,",
    }
    words = {
        "0.0.0.0": "127.0.0.1",  # noqa: S104, bound there no longer
        "8080": str(studio),
        "9090": str(backend),
        "postgres": "127.0.0.1",
        "5432": str(postgres),
        "6379": str(valkey),
        "worker-light 9100": str(free_port()),  # two containers may have one port each; two processes not
        "worker-train-cpu 9100": str(free_port()),
        "/data": str(home),
        "/data/frames": str(home / "frames"),
        "/label-studio": str(home / "label-studio"),
        "/tmp": str(folder),  # noqa: S108, exchanged for a folder of our own
        "/deploy/valkey.sh": str(ROOT / "deploy" / "valkey.sh"),
    }
    if label_studio == "SQLite":
        words["default"] = "sqlite"
        copy_empty_database(load_settings(home))
    return addresses, words, f"{programs}:{os.environ['PATH']}"


def make_databases(stand: Stand, programs: Path, port: int) -> None:
    """What the PostgreSQL image does on an empty folder: our database, then our script."""
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "sonoloop"}
    environment = {**stand.environment("postgres"), **server, "PATH": f"{programs}:{stand.path}"}
    for command in (["createdb", "sonoloop"], ["sh", str(ROOT / "deploy" / "databases.sh")]):
        subprocess.run(command, env=environment, cwd=stand.folder, stdout=subprocess.DEVNULL, check=True)
    peek = ["psql", "--username", "label_studio", "--dbname", "sonoloop", "--command", "SELECT 1"]
    peeked = subprocess.run(
        peek, env=environment, cwd=stand.folder, capture_output=True, text=True, check=False
    )
    assert "permission denied for database" in peeked.stderr, "Label Studio must not look into our database"


def start_all(stand: Stand, folder: Path) -> None:
    port = stand.words["6379"]
    stand.start("valkey", "--bind", "127.0.0.1", "--port", port, directory=folder / "valkey")
    for name in ("label-studio", *OURS):
        stand.start(name)


def test_a_round_runs_on_the_services_of_docker_compose(
    department: Department, say: Say, tmp_path: Path
) -> None:
    container, stand = department.container, department.stand
    request = WorkPlan(classes=CLASS, title="Department").to_request()
    request = replace(request, settings={**request.settings, "recipe": BRIEFEST.to_dict()})
    project = connect_project(container, make_project(container, request))
    frames = draw_clips(tmp_path, range(20, 28), 3, SIDE)
    assert "24 new frames" in stand.run("sonoloop", "add", str(frames))
    mirror = Mirror(container, project.id)
    wait_until(lambda: len(mirror.queue()) == 24, "the first queue", 180)
    with ensure_reader(container.label_studio_api, "reader@department.org", READER_PASSWORD) as reader:
        check_storage(department, mirror, reader)
        expected = label(mirror, reader, LABELS)
        wait_until(lambda: expected.keys() <= mirror.masks().keys(), "all labels in the mirror", 90)
        assert mirror.decisions() == expected
        say(train_and_serve(department, mirror, reader))
    drawn = {f"{mask.mask_digest}.slm" for mask in mirror.masks().values()}
    assert drawn <= department.stored("masks")


def check_storage(department: Department, mirror: Mirror, reader: ReaderSession) -> None:
    """Frames lie in the bucket and in the folder, and the folder is what readers see."""
    names = {f"{frame.digest}.png" for frame in mirror.frames}
    assert department.stored("frames") == names
    assert {path.name for path in (department.home / "frames" / "all").iterdir()} == names
    task = reader.next_task(mirror.label_studio_id())
    assert task is not None
    image = reader.fetch(task.data["image"])
    assert image == (department.home / "frames" / "all" / f"{task.data['frame']}.png").read_bytes()


def train_and_serve(department: Department, mirror: Mirror, reader: ReaderSession) -> str:
    """Ask for a round, let its model serve whatever the gate said of so little, and see readers get it."""
    department.stand.run("sonoloop", "round")
    seconds = wait_until(
        lambda: bool(mirror.rounds()) and not mirror.rounds()[0].state.is_live, "a round", 400
    )
    (ended,) = mirror.rounds()
    assert ended.candidate_id is not None, ended.error
    with mirror.container.database.read() as uow:
        candidate = uow.models.get(ended.candidate_id)
    assert f"{candidate.digest}.safetensors" in department.stored("models")
    if mirror.champion() != candidate:
        department.stand.run("sonoloop", "promote", candidate.name)
    wait_until(lambda: shown_version(reader, mirror) == candidate.name, "the new version's predictions", 120)
    return (
        f"a round on {ended.label_count} labels: {ended.state.value} after {seconds:.0f} s ({ended.reason})"
    )
