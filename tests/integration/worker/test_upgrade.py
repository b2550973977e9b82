"""A database that version 0.1.0 filled, brought to the present schema with all its rows; a round runs on it.

`tests/fixtures/database-0.1.0` holds what `.dump` and `pg_dump --inserts` said of a home of eight disc frames
after a round, with rows in every table and another round planned.
"""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from adapters.bootstrap import Container
from adapters.formats.pixels import encode_png
from adapters.settings import Settings
from cli.system_parts import POSTGRES
from db import current
from loop.frames import frame_digest
from loop.masks import mask_digest, pack
from loop.rounds import claim
from loop.training_records import RoundState
from tests.conftest import demand
from tests.contract.repositories.conftest import create_postgres_database
from tests.discs import draw_disc
from tests.fakes.clock import ManualClock
from tests.fakes.training import Training
from tests.fault_table import Drill
from tests.services.homes import label_studio_of, make_settings, parts_with
from worker.stopping import Stopping
from worker.training import Attempt, tidy

DUMPS = Path(__file__).parents[2] / "fixtures" / "database-0.1.0"
FRAMES = 8


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A home whose database is as 0.1.0 left it."""
    offline = {"redis_url": f"redis+socket://{tmp_path}/none.sock"}
    if request.param == "sqlite":
        made = make_settings(tmp_path, **offline)
        (made.root / "db").mkdir(parents=True)
        with closing(sqlite3.connect(make_url(made.effective_database_url).database or "")) as database:
            database.executescript((DUMPS / "sqlite.sql").read_text())
        return made
    url = create_postgres_database(request.getfixturevalue("postgres_url"), "version_0_1_0")
    load_dump(url)
    return make_settings(tmp_path, **offline, database_url=url)


@pytest.mark.fault(
    "an upgrade from the database of 0.1.0", done="a dump with rows in every table; then a round"
)
def test_a_database_of_the_first_version_is_upgraded_with_all_its_rows(
    settings: Settings, drill: Drill
) -> None:
    url = settings.effective_database_url
    assert current(url) == "0001"
    before = dict(count_rows(url))
    assert all(before.values()), "a table without a row proves nothing"
    with closing(Container(settings, ManualClock())) as container:
        bring_files(container)
        with drill.recovering():
            container.database  # noqa: B018, opening it upgrades it
        assert current(url) != "0001"
        assert {name: dict(count_rows(url))[name] for name in before} == before
        studio = label_studio_of(container)
        drill.check(parts_with(container, studio))
        claimed = claim(container.round_ports, container.round_rules, 2)
        Attempt(container, claimed, Stopping(), Training(None)).run()
        with container.database.read() as uow:
            ended = uow.rounds.get(2)
        assert ended.state is RoundState.PROMOTED, ended.error
        tidy(container)
        drill.check(parts_with(container, studio))


def bring_files(container: Container) -> None:
    """What lay beside that database: frames, masks, and the weights of its rounds."""
    for number in range(FRAMES):
        image, mask = draw_disc(number)
        container.storage.put("frames", frame_digest(image), encode_png(image))
        container.storage.put("masks", mask_digest(mask), pack(mask))
    weights = b"weights 1"
    container.storage.put("models", hashlib.sha256(weights).hexdigest(), weights)


def load_dump(url: str) -> None:
    """With PostgreSQL's own client, as a person would."""
    address = make_url(url)
    where = ["-h", str(address.host), "-p", str(address.port), "-U", str(address.username)]
    subprocess.run(
        [str(demand(POSTGRES) / "psql"), "-q", "-v", "ON_ERROR_STOP=1", *where, "-d", str(address.database)],
        stdin=(DUMPS / "postgresql.sql").open(),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def count_rows(url: str) -> Iterator[tuple[str, int]]:
    """How many rows each table holds."""
    engine = create_engine(url)
    with engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            yield name, connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608
    engine.dispose()
