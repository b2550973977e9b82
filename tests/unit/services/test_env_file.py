"""The env file of a deployment: complete, private, and never drawn twice."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from adapters.home_files import read_env_file
from adapters.services.env_file import DRAW, fill_env_file
from cli.secrets import EXAMPLE, write_secrets
from loop.errors import Denied, NotFound


def test_every_empty_value_of_the_example_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "sonoloop.env"
    drawn = fill_env_file(path, EXAMPLE)
    values, empty = read_env_file(path), {name for name, value in read_env_file(EXAMPLE).items() if not value}
    assert set(drawn) == set(DRAW) == empty
    assert all(values.values())
    assert len({values[name] for name in drawn}) == len(drawn), "no two are alike"
    assert all(len(values[name]) >= 16 for name in drawn)
    assert re.fullmatch("[0-9a-f]{40}", values["SONOLOOP_LABEL_STUDIO_TOKEN"])


def test_a_secret_may_stand_in_an_address(tmp_path: Path) -> None:
    fill_env_file(tmp_path / "env", EXAMPLE)
    values = read_env_file(tmp_path / "env")
    assert all(quote(values[name], safe="") == values[name] for name in DRAW)


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("")
    path.chmod(0o644)
    fill_env_file(path, EXAMPLE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_stands_there_stays_and_what_is_new_is_added_with_its_explanation(tmp_path: Path) -> None:
    path, example = tmp_path / "env", tmp_path / "example"
    path.write_text("# mine\nPOSTGRES_PASSWORD=own\nVALKEY_PASSWORD=\nEXTRA=kept\n")
    example.write_text(
        "# the database\nPOSTGRES_PASSWORD=\nVALKEY_PASSWORD=\n\n# the store\nS3_ACCESS_KEY=\n"
    )
    assert fill_env_file(path, example) == ["VALKEY_PASSWORD", "S3_ACCESS_KEY"]
    text = path.read_text()
    assert text.startswith("# mine\nPOSTGRES_PASSWORD=own\nVALKEY_PASSWORD=")
    assert "EXTRA=kept\n\n# the store\nS3_ACCESS_KEY=" in text
    assert "# the database" not in text
    assert fill_env_file(path, example) == []
    assert path.read_text() == text


def test_two_calls_at_once_end_with_one_set(tmp_path: Path) -> None:
    path = tmp_path / "env"
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: fill_env_file(path, EXAMPLE), range(8)))
    assert sum(bool(names) for names in drawn) == 1
    assert set(DRAW) <= set(read_env_file(path))


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Denied, match="name another FILE"):
        fill_env_file(tmp_path / "file" / "env", EXAMPLE)
    with pytest.raises(NotFound, match="checkout"):
        fill_env_file(tmp_path / "env", tmp_path / "none")


def test_no_secret_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_secrets(tmp_path / "env")
    write_secrets(tmp_path / "env")
    said = capsys.readouterr().out
    values = read_env_file(tmp_path / "env")
    assert not [name for name in DRAW if values[name] in said]
    assert "12 secrets drawn" in said
    assert "nothing was changed" in said
