"""What is said of names and tables by which recordings are told apart badly."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.intake import look_ahead, take_in
from loop.records import Project
from tests.unit.cli.intake.conftest import SALT, HomeWithFake, draw, places

WARNING = "10 frames are named like those of a film, and each counts as a recording of its own"


def test_a_flat_folder_of_numbered_files_is_warned_of_until_something_tells_the_recording(
    container: HomeWithFake, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = tmp_path / "flat"
    draw(flat, 10)
    look_ahead(container, project, flat, SALT)
    assert WARNING in capsys.readouterr().out
    take_in(container, project, flat, salt=SALT)
    out = capsys.readouterr().out
    assert WARNING in out
    assert "one folder per recording, or an index.csv" in out
    take_in(container, project, flat, salt=SALT, is_independent=True)
    assert WARNING not in capsys.readouterr().out
    (flat / "index.csv").write_text("\n".join(["file,clip", *(f"{number}.png,film" for number in range(10))]))
    take_in(container, project, flat, salt=SALT)
    assert "named like" not in capsys.readouterr().out
    assert len(places(container, project)) == 1


def test_rows_of_an_index_that_name_no_file_are_counted_and_the_first_is_told_by_its_line(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["file,clip,patient", "a.png,film,Doe", "", "frames/b.png,film,Doe", ",,", "Doe_b.png,film,Doe"]
    (folder / "index.csv").write_text("\n".join(rows))
    look_ahead(container, project, folder, SALT)
    foretold = capsys.readouterr().out
    take_in(container, project, folder, salt=SALT, is_independent=True)
    told = capsys.readouterr().out
    for out in (foretold, told):
        assert "  2 rows of index.csv name no file here: the first in line 4\n    write each file as" in out
        assert "Doe" not in out
        assert "beside" not in out
    (folder / "index.csv").write_text("file,clip,patient\na.png,film,Doe\nb,film,Doe\n")
    take_in(container, project, folder, salt=SALT)
    assert "no file here" not in capsys.readouterr().out


def test_rows_for_other_folders_are_told_as_such_and_not_at_all_in_a_part_of_a_known_one(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "index.csv").write_text("file,clip\n0.png,film\na.png,other\n")
    look_ahead(None, None, folder / "clip")
    out = capsys.readouterr().out
    assert "1 row of index.csv names no file here: in line 3" in out
    assert "rows of other folders may stay" in out
    take_in(container, project, folder, salt=SALT)
    capsys.readouterr()
    take_in(container, project, folder / "clip", salt=SALT)
    assert "no file here" not in capsys.readouterr().out


def test_what_an_index_leaves_of_a_film_is_warned_of_however_little_it_is(
    container: HomeWithFake, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = tmp_path / "flat"
    draw(flat, 10)
    for named, got in ((7, "3 frames are named"), (9, "1 frame is named")):
        rows = [f"{number}.png,film" for number in range(named)]
        (flat / "index.csv").write_text("\n".join(["file,clip", *rows]))
        look_ahead(container, project, flat, SALT)
        assert f"{got} like those of a film" in capsys.readouterr().out
