"""A restoration into PostgreSQL fills both databases or neither, wherever it is killed, ended or refused."""

from __future__ import annotations

from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from adapters.environment import load_settings
from cli.backup import write_backup
from cli.doctor.examine import examine
from cli.doctor.findings import State
from cli.doctor.installation import read_installation
from db import open_database
from db.filling import MARK
from loop.errors import Conflict
from tests.contract.repositories.conftest import run_on_postgres
from tests.integration.backup.homes import FRAMES, made_home, state_of
from tests.integration.restorations import (
    IN_LABEL_STUDIO,
    MINE,
    Place,
    Source,
    ask,
    assert_restored,
    let_go,
    met_between_the_two,
    new_databases,
    point_at,
    waiting,
)
from tests.machine import wait_until
from tests.services.commands import ended, start_command, start_killed_at

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def source(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder, (ours, theirs) = tmp_path_factory.mktemp("source"), new_databases(postgres_url, "from")
    run_on_postgres(theirs, *IN_LABEL_STUDIO)
    with pytest.MonkeyPatch.context() as patch:
        point_at(patch, ours, theirs)
        settings = made_home(folder / "home")
        write_backup(settings, folder / "b.tar")
        return Source(settings, folder / "b.tar", state_of(settings))


@pytest.fixture
def place(source: Source, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    ours, theirs = new_databases(postgres_url, "to")
    run_on_postgres(theirs, MINE)
    point_at(monkeypatch, ours, theirs)
    return Place(tmp_path / "new" / "home", ours, theirs, source.file)


def test_what_a_killed_restoration_filled_is_emptied_and_filled_by_the_next(
    place: Place, source: Source
) -> None:
    with met_between_the_two(place) as process:
        process.send_signal(SIGKILL)
        ended(process)
        assert int(ask(place.ours, "SELECT count(*) FROM frames")) == FRAMES
    place.restore()
    assert_restored(place, source)


def test_the_client_that_a_killed_restoration_left_at_its_work_is_ended_first(
    place: Place, source: Source
) -> None:
    """Else it would fill the database that the next one fills."""
    with met_between_the_two(place) as process:
        process.send_signal(SIGKILL)
        ended(process)
        left = waiting(place)
        assert left
        again = place.begin()
        wait_until(lambda: waiting(place) not in ("", left) or again.poll() is not None, "the second waits")
        assert again.poll() is None, ended(again)
        let_go(place)
        code, _, errors = ended(again)
        assert code == 0, errors
    assert_restored(place, source)


def test_a_restoration_that_is_asked_to_end_between_the_two_leaves_both_empty(
    place: Place, source: Source
) -> None:
    with met_between_the_two(place) as process:
        process.send_signal(SIGTERM)
        code, _, errors = ended(process)
        assert code == 128 + SIGTERM, errors
    assert place.tables() == (0, 0)
    assert ask(place.theirs, "SELECT mine()") == "1"
    place.restore()
    assert_restored(place, source)


def test_a_dump_that_does_not_fit_the_second_leaves_both_as_they_were(place: Place, source: Source) -> None:
    run_on_postgres(place.theirs, "CREATE TYPE state AS ENUM ('of somebody')")
    assert "pg_restore that failed" in place.restore(code=1)
    assert place.tables() == (0, 0)
    run_on_postgres(place.theirs, "DROP TYPE state")
    place.restore()
    assert_restored(place, source)


def test_a_second_restoration_into_the_same_databases_waits_for_the_first_to_end(
    place: Place, source: Source
) -> None:
    with met_between_the_two(place) as process:
        assert "another restoration into the same database" in place.beside().restore(code=1)
        let_go(place)
        assert ended(process)[0] == 0
    assert_restored(place, source)


def test_a_half_filled_department_is_told_and_not_served(
    place: Place, source: Source, tmp_path: Path
) -> None:
    with met_between_the_two(place) as process:
        process.send_signal(SIGKILL)
        ended(process)
    with pytest.raises(Conflict, match="restore FILE again"):
        open_database(place.ours)
    with pytest.raises(Conflict, match="a restoration is filling"):
        write_backup(
            source.settings, tmp_path / "second.tar"
        )  # by the variables, which name the new databases
    finding = dict(examine(read_installation(source.settings.root)))["database"]
    assert "a restoration is filling" in finding.got


def test_before_the_home_is_there_the_doctor_and_the_start_name_the_killed_restoration(place: Place) -> None:
    """Not the secrets, which come back with the home; and none are drawn in their place."""
    with met_between_the_two(place) as process:
        process.send_signal(SIGKILL)
        ended(process)
    finding = dict(examine(read_installation(place.home)))["restoration"]
    assert finding.state is State.FAIL
    assert "a restoration is filling" in finding.got
    assert "restore FILE again" in finding.todo.here
    code, _, errors = ended(start_command("up", "--home", place.home))
    assert code == 1
    assert "restore FILE again" in errors
    assert "secrets" not in errors
    assert not place.home.exists()


def test_a_start_that_finds_label_studios_half_alone_unfinished_names_the_restoration(place: Place) -> None:
    run_on_postgres(place.theirs, f"CREATE TABLE {MARK} (kind text, name text)")
    code, _, errors = ended(start_command("up", "--home", place.home))
    assert (code, "restore FILE again" in errors) == (1, True), errors
    assert not place.home.exists()


@pytest.mark.parametrize("words", [["up"], ["status"], ["review"]])
def test_one_that_was_killed_before_the_home_had_its_name_is_told_and_repeated(
    place: Place, source: Source, words: list[str]
) -> None:
    """Both databases are whole then, and without the home nobody's: not its secrets are what is missing."""
    killed = start_killed_at("cli.restore.give_name", "restore", place.file, "--home", place.home)
    assert ended(killed)[0] == -SIGKILL
    complete = f"SELECT count(*) FROM {MARK} WHERE kind = 'COMPLETE'"  # noqa: S608
    assert [ask(url, complete) for url in (place.ours, place.theirs)] == ["1", "1"]
    code, _, errors = ended(start_command(*words, "--home", place.home))
    said = " ".join(errors.split())
    assert (code, "filled databases and no home in" in said, "restore FILE again" in said) == (1, True, True)
    assert "secrets" not in said
    finding = dict(examine(read_installation(place.home)))["restoration"]
    assert (finding.state, "no home in" in finding.got) == (State.FAIL, True)
    assert not place.home.exists()
    place.restore()
    assert_restored(place, source)


def test_what_somebody_used_since_is_not_emptied(place: Place) -> None:
    """Label Studio was started on its half before the restoration was called again."""
    with met_between_the_two(place) as process:
        process.send_signal(SIGKILL)
        ended(process)
    wait_until(lambda: ask(place.theirs, "SELECT to_regclass('task') IS NOT NULL") == "True", "filled")
    run_on_postgres(place.theirs, "INSERT INTO annotation (task) VALUES (1)")
    assert "somebody has used since" in place.restore(code=1)
    assert ask(place.theirs, "SELECT count(*) FROM annotation") == "501"


def test_one_that_was_killed_when_all_was_there_is_taken_over_by_whoever_opens_it(
    place: Place, source: Source
) -> None:
    """And no restoration empties it from then on."""
    place.restore()
    for url in (place.ours, place.theirs):  # as they are in the moment before the marks go
        run_on_postgres(
            url,
            f"CREATE TABLE {MARK} (kind text, name text)",
            f"INSERT INTO {MARK} VALUES ('COMPLETE', '')",  # noqa: S608
        )
    open_database(place.ours).close()
    assert "tables already" in place.beside().restore(code=1)
    assert state_of(load_settings(place.home)) == source.state
