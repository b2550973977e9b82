"""`backup` and `restore` of a department: docker-compose.yml's command and environment, PostgreSQL's clients
as they are gathered for its image, on real PostgreSQL and S3.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.environment import load_settings
from adapters.formats.archive import Archive
from adapters.unfinished import PREFIX
from cli.system_parts import COMPOSE, POSTGRES
from tests.conftest import ROOT, demand
from tests.e2e.test_deployment import env_file, make_databases
from tests.integration.backup.homes import FRAMES, state_of
from tests.postgres import running_postgres
from tests.services.commands import ended
from tests.services.compose import Stand, resolved
from tests.services.homes import make_home
from tests.services.s3 import RunningS3, running_s3

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

IN_LABEL_STUDIO = """
CREATE EXTENSION pg_trgm;
CREATE TABLE task (id serial PRIMARY KEY, data jsonb);
CREATE INDEX ON task USING gin ((data::text) gin_trgm_ops);
INSERT INTO task (data) SELECT jsonb_build_object('frame', n) FROM generate_series(1, 500) n;
"""
"""As Label Studio makes it: by its own role, an extension included."""


@dataclass(frozen=True)
class Department:
    """The file's command on a home of its own, whose volumes are mounted by then."""

    stand: Stand
    home: Path
    port: int

    def sonoloop(self, *words: str, code: int = 0) -> str:
        """Run the command; what it printed, errors included."""
        process = subprocess.Popen(
            self.stand.command("sonoloop", *words),
            cwd=ROOT,
            env=self.stand.environment("sonoloop"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        status, out, errors = ended(process)
        assert status == code, f"{out}\n{errors}"
        return out + errors

    def state(self) -> object:
        """Rows and content, as the app sees them."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.stand.environment("sonoloop").items():
                patch.setenv(name, value)
            return state_of(load_settings())

    def psql(self, sql: str, database: str = "label_studio") -> str:
        """In Label Studio's name."""
        server = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "label_studio"}
        command = ["psql", "--dbname", database, "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]
        return subprocess.run(
            command,
            env={"PATH": self.stand.path, **server},
            cwd="/",
            input=sql,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sonoloop-department-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def department(folder: Path) -> Iterator[Department]:
    with ExitStack() as stack:
        s3 = stack.enter_context(running_s3())
        department = new_department(stack, folder, "first", s3)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in department.stand.environment("sonoloop").items():
                patch.setenv(name, value)
            make_home(load_settings(), frames=FRAMES, held_out=2)
        department.psql(IN_LABEL_STUDIO)
        uploads = department.home / "label-studio" / "media"
        uploads.mkdir()
        (uploads / "avatar.png").write_bytes(b"picture")
        yield department


@pytest.fixture
def empty_department(folder: Path) -> Iterator[Department]:
    with ExitStack() as stack:
        yield new_department(stack, folder, "second", stack.enter_context(running_s3()))


def new_department(stack: ExitStack, folder: Path, name: str, s3: RunningS3) -> Department:
    """Empty volumes, a bucket, a server of its own with both databases; the clients are the gathered ones."""
    s3.new_bucket("sonoloop")
    programs, home, clients = demand(POSTGRES), folder / name, folder / f"{name}-clients"
    for volume in ("frames", "label-studio", "lost+found"):
        (home / volume).mkdir(parents=True)
    subprocess.run(["sh", str(ROOT / "deploy" / "postgres-client.sh"), str(clients)], check=True)
    port = urlsplit(stack.enter_context(running_postgres(programs))).port or 0
    (folder / f"env-{name}").mkdir()
    config = resolved(demand(COMPOSE), env_file(folder / f"env-{name}"), "cpu", "command")
    addresses = {"postgres:5432": f"127.0.0.1:{port}", "http://storage:8333": s3.url}
    words = {"postgres": "127.0.0.1", "5432": str(port), "/data": str(home)}
    path = f"{clients}:{Path(sys.executable).parent}:{os.defpath}"
    stand = Stand(config, addresses, words, path, folder, stack.enter_context((folder / "log").open("wb")))
    make_databases(replace(stand, path=f"{programs}:{path}"), programs, port)
    return Department(replace(stand, path=f"{path}:{programs}"), home, port)


def test_a_department_is_backed_up_and_restored_by_the_command_of_docker_compose(
    department: Department, empty_department: Department, folder: Path
) -> None:
    before, file = department.state(), folder / "b.tar"
    assert f"{FRAMES} frames, {FRAMES} masks" in department.sonoloop("backup", str(file))
    members = Archive.open(file).manifest.members
    assert {"db/sonoloop.dump", "label-studio/label_studio.dump", "label-studio/media/avatar.png"} <= set(
        members
    )
    said = empty_department.sonoloop("restore", str(file))
    assert "start its services" in said
    assert empty_department.state() == before
    assert empty_department.psql("SELECT count(*) FROM task") == "500"
    home = empty_department.home
    assert (home / "label-studio" / "media" / "avatar.png").read_bytes() == b"picture"
    assert len(list((home / "frames" / "all").glob("*.png"))) == FRAMES
    assert not list(home.glob(f"{PREFIX}*"))
    assert "data in" in empty_department.sonoloop("restore", str(file), code=1)


def test_a_restoration_into_mounted_volumes_that_fails_leaves_them_empty(
    department: Department, empty_department: Department, folder: Path
) -> None:
    """Here by a table in Label Studio's database, which is there before."""
    department.sonoloop("backup", str(folder / "b.tar"))
    empty_department.psql("CREATE TABLE precious (id int)")
    assert "holds 1 tables already" in empty_department.sonoloop("restore", str(folder / "b.tar"), code=1)
    home = empty_department.home
    assert sorted(path.name for path in home.rglob("*")) == ["frames", "label-studio", "lost+found"]
    empty_department.psql("DROP TABLE precious")
    empty_department.sonoloop("restore", str(folder / "b.tar"))
    assert empty_department.state() == department.state()
