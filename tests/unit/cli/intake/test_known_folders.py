"""What becomes of frames that are known when their folder is added again, or one around or within it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.intake import look_ahead, take_in
from loop.errors import BadRequest, Unavailable
from loop.records import Project
from tests.unit.cli.intake.conftest import SALT, HomeWithFake, draw, places


def test_clips_are_counted_by_what_told_them(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_in(container, project, folder, salt=SALT)
    assert capsys.readouterr().out.splitlines()[-1:] == [
        "5 new frames, 0 known already; 3 clips (2 by no clue: each frame is its own clip, 1 by sub-folder)"
    ]


def test_an_index_that_was_corrected_moves_known_frames_and_the_count_is_that_of_the_database(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_in(container, project, folder, salt=SALT)
    (folder / "index.csv").write_text("file,clip,patient\na.png,film,Doe\nb.png,film,Doe\n")
    capsys.readouterr()
    take_in(container, project, folder, salt=SALT)
    assert capsys.readouterr().out.splitlines() == [
        "0 new frames, 5 known already; 2 clips of 1 patient (1 by index.csv, 1 by sub-folder)",
        "  2 of the known ones have another clip or patient now, as told here",
    ]
    assert len(places(container, project)) == 2
    take_in(container, project, folder, salt=SALT)
    assert "another clip" not in capsys.readouterr().out
    (folder / "index.csv").unlink()
    take_in(container, project, folder, salt=SALT)
    out = capsys.readouterr().out
    assert "2 known frames keep a clip or patient that this folder tells otherwise" in out
    assert "2 clips of 1 patient (1 by sub-folder, 1 by what was stored before)" in out
    assert len(places(container, project)) == 2


def test_frames_that_are_sorted_into_folders_afterwards_become_clips(
    container: HomeWithFake, project: Project, folder: Path
) -> None:
    take_in(container, project, folder, salt=SALT)
    (folder / "film").mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).rename(folder / "film" / name)
    assert take_in(container, project, folder, salt=SALT).moved == 2
    assert len(places(container, project)) == 2


def test_a_part_of_a_folder_that_was_added_is_seen_from_that_folder(
    container: HomeWithFake, project: Project, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_in(container, project, study, salt=SALT)
    before = places(container, project)
    assert len(before) == 4
    draw(study / "p7" / "clipA", 1)
    take_in(container, project, study / "p7", salt=SALT)
    assert "as seen from a folder around it that was added before, 1 level up" in capsys.readouterr().out
    draw(study / "p7" / "clipA", 1)
    take_in(container, project, study / "p7" / "clipA", salt=SALT)
    after = places(container, project)
    assert after.keys() == before.keys()
    assert sorted((after - before).values()) == [2]
    draw(study / "p7" / "clipC", 1)
    look_ahead(container, project, study / "p7" / "clipC", SALT)
    take_in(container, project, study / "p7" / "clipC", salt=SALT)
    (added,) = places(container, project).keys() - before.keys()
    assert added[1] in {patient for _, patient in before}


def test_a_folder_around_known_recordings_does_not_make_them_one_patients(
    container: HomeWithFake, project: Project, study: Path
) -> None:
    take_in(container, project, study / "p7", salt=SALT)
    before = places(container, project)
    assert {patient for _, patient in before} == {None}
    for attempt in (take_in, look_ahead):
        with pytest.raises(BadRequest, match=r"2 known recordings one patient's.* index.csv"):
            attempt(container, project, study, salt=SALT)
    assert places(container, project) == before
    draw(study / "p7" / "clipA", 1)
    take_in(container, project, study / "p7", salt=SALT)
    assert places(container, project).keys() == before.keys()
    rows = [f"p7/clip{clip}/{number}.png,p7" for clip in "AB" for number in range(3)]
    (study / "index.csv").write_text("\n".join(["file,patient", *rows]))
    assert take_in(container, project, study, salt=SALT).moved == 5
    assert len({patient for _, patient in places(container, project)} - {None}) == 2


def test_an_index_of_the_outer_folder_counts_for_its_parts(
    container: HomeWithFake, project: Project, study: Path
) -> None:
    rows = [f"p7/clip{clip}/{number}.png,film,Doe" for clip in "AB" for number in range(3)]
    (study / "index.csv").write_text("\n".join(["file,clip,patient", *rows]))
    take_in(container, project, study, salt=SALT)
    before = places(container, project)
    assert len(before) == 3
    draw(study / "p7" / "clipA", 1)
    take_in(container, project, study / "p7" / "clipA", salt=SALT)
    assert places(container, project).keys() == before.keys()


def test_a_folder_that_was_moved_is_known_again_as_a_whole_and_its_part_warns(
    container: HomeWithFake, project: Project, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_in(container, project, study, salt=SALT)
    before = places(container, project)
    moved = study.rename(study.parent / "moved")
    draw(moved / "p7" / "clipA", 1)
    capsys.readouterr()
    take_in(container, project, moved / "p7", salt=SALT)
    out = capsys.readouterr().out
    assert "4 known frames keep a clip or patient that this folder tells otherwise" in out
    assert "add the whole folder, as at first" in out
    added = take_in(container, project, moved, salt=SALT)
    assert (added.moved, added.differing) == (1, 0)
    assert places(container, project).keys() == before.keys()


def test_a_folder_that_was_added_while_label_studio_was_away_is_remembered(
    container: HomeWithFake, project: Project, study: Path
) -> None:
    container.label_studio.is_down = True
    with pytest.raises(Unavailable):
        take_in(container, project, study, salt=SALT)
    before = places(container, project)
    container.label_studio.is_down = False
    draw(study / "p7" / "clipA", 1)
    take_in(container, project, study / "p7", salt=SALT)
    assert places(container, project).keys() == before.keys()


def test_no_path_is_kept_of_a_folder_that_was_added(
    container: HomeWithFake, project: Project, study: Path
) -> None:
    take_in(container, project, study, salt=SALT)
    with container.database.read() as uow:
        kept = uow.marks.cursor(f"added-folders-{project.id}") or ""
    assert re.fullmatch(r'\["folder-[0-9a-f]{16}"\]', kept)
