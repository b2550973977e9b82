"""Taking a folder in: what is refused beforehand, what is waited for, and what is said afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.bootstrap import Container
from adapters.environment import load_settings
from adapters.services.secrets import ensure_secrets
from cli.intake import look_ahead, require_folder, take_in
from cli.review import show_review
from cli.work import WorkPlan, add_folder, foresee_added, foresee_up
from loop.errors import BadRequest, NotFound, SonoloopError, Unavailable
from loop.messages import DELETED_TASK
from loop.records import Project
from tests.fakes.clock import ManualClock
from tests.fakes.label_studio import FakeLabelStudio
from tests.services.homes import make_settings

SALT = b"of sixteen bytes"


class HomeWithFake(Container):
    """A home whose Label Studio lives in this process."""

    @cached_property
    def label_studio(self) -> FakeLabelStudio:  # type: ignore[override]
        return FakeLabelStudio(self.clock)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[HomeWithFake]:
    settings = make_settings(tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock")
    with closing(HomeWithFake(settings, ManualClock())) as container:
        yield container


@pytest.fixture
def project(container: HomeWithFake) -> Project:
    with container.database.write() as uow:
        project = uow.projects.add("Veins", ["Vein"], {})
        uow.projects.set_label_studio_id(project.id, container.label_studio.create_project())
        uow.commit()
    with container.database.read() as uow:
        return uow.projects.get(project.id)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two frames without a clue, and a clip of three."""
    folder = tmp_path / "frames"
    generator = np.random.default_rng(0)
    for name in ("a.png", "b.png", "clip/0.png", "clip/1.png", "clip/2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (12, 16)).astype(np.uint8)).save(folder / name)
    return folder


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


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two patients of two clips each."""
    for patient in ("p7", "p8"):
        draw(tmp_path / "study" / patient / "clipA", 2)
        draw(tmp_path / "study" / patient / "clipB", 2)
    return tmp_path / "study"


def draw(folder: Path, frames: int) -> None:
    """New pictures, different from all others, beside what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(frames):
        pixels = np.random.default_rng().integers(0, 255, (12, 16)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{len(list(folder.iterdir()))}.png")


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


def test_a_dry_run_counts_and_stores_nothing(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look_ahead(container, project, folder, SALT)
    said = capsys.readouterr().out.splitlines()
    how = "3 clips (2 by no clue: each frame is its own clip, 1 by sub-folder)"
    assert said[0] == f"would be: 5 new frames, 0 known; {how}"
    assert re.fullmatch(r"  clip-[0-9a-f]{16}  no patient  3 frames", said[1])
    assert len(said) == 5
    assert places(container, project) == {}
    assert container.label_studio.tasks == {}
    assert not any((container.settings.root / "frames").rglob("*.png"))
    take_in(container, project, folder, salt=SALT)
    (folder / "index.csv").write_text("file,clip\na.png,film\nb.png,film\n")
    capsys.readouterr()
    before = places(container, project)
    look_ahead(container, project, folder, SALT)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "would be: 0 new frames, 5 known; 2 clips (1 by index.csv, 1 by sub-folder)"
    assert "  2 of the known ones would get another clip or patient" in said
    assert places(container, project) == before


def test_a_dry_run_of_up_needs_no_home(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foresee_up(tmp_path / "none", folder, WorkPlan())
    assert "would be: 5 new frames, 0 known; 3 clips" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_a_dry_run_of_add_is_refused_where_the_real_one_is(
    container: HomeWithFake, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_secrets(container.settings.root)
    for home, got in ((tmp_path / "none", "no home in"), (container.settings.root, "without a project")):
        for add in (add_folder, foresee_added):
            with pytest.raises(NotFound, match=got):
                add(home, folder, 0)
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("plan", "got"),
    [
        (WorkPlan(classes="Vein,vein"), "two classes of one name"),
        (WorkPlan(weights="nowhere.safetensors"), "weight file that does not exist"),
        (WorkPlan(recipe="nowhere.json"), "recipe"),
        (WorkPlan(recipe="retinal"), "network"),
    ],
)
def test_a_dry_run_of_up_refuses_what_cannot_be_granted_before_it_says_anything(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], plan: WorkPlan, got: str
) -> None:
    with pytest.raises(SonoloopError, match=got):
        foresee_up(tmp_path / "none", folder, plan)
    assert capsys.readouterr().out == ""


def test_a_dry_run_of_up_refuses_other_classes_than_the_project_has_and_the_home_of_a_demo(
    container: HomeWithFake, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_secrets(container.settings.root)
    home = container.settings.root
    with container.database.write() as uow:
        uow.projects.add("Demo", ["vessel"], {"kind": "demo"})
        uow.commit()
    with pytest.raises(BadRequest, match="home of a demo"):
        foresee_up(home, folder, WorkPlan())
    with container.database.write() as uow:
        uow.projects.add("Veins", ["Vein"], {"kind": "work", "plan": {"classes": "Vein"}})
        uow.commit()
    with pytest.raises(BadRequest, match="--classes Nerve for a project that was made with Vein"):
        foresee_up(home, folder, WorkPlan(classes="Nerve"))
    assert capsys.readouterr().out == ""
    foresee_up(home, folder, WorkPlan(classes="Vein"))
    assert "would be: 5 new frames" in capsys.readouterr().out


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


def places(container: HomeWithFake, project: Project) -> Counter[tuple[str, str | None]]:
    with container.database.read() as uow:
        return Counter((frame.clip, frame.patient) for frame in uow.frames.list(project.id))


def test_frames_that_come_back_after_their_task_was_deleted_are_told_of(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_in(container, project, folder, salt=SALT)
    with container.database.write() as uow:
        for frame in uow.frames.list(project.id)[:2]:
            uow.frames.set_tasks({frame.id: None})
            uow.marks.set_aside(DELETED_TASK, frame.digest, "deleted there", container.clock())
        uow.commit()
    capsys.readouterr()
    take_in(container, project, folder, salt=SALT)
    assert "  2 of the known ones had been deleted in Label Studio" in capsys.readouterr().out
    take_in(container, project, folder, salt=SALT)
    assert "deleted" not in capsys.readouterr().out


HOSTILE = "x\x1b[31mred\n  set aside fake: ok.png"


def test_a_file_name_can_neither_colour_a_line_nor_fake_one(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / HOSTILE).touch()
    (folder / "\udcff.png").touch()  # a byte that is no UTF-8
    take_in(container, project, folder, salt=SALT)
    out = capsys.readouterr().out
    assert r"  set aside x\x1b[31mred\n  set aside fake: ok.png: got an empty file" in out
    assert r"  set aside \udcff.png: got an empty file" in out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 3


def test_a_file_that_was_mended_is_no_longer_set_aside(
    container: HomeWithFake, project: Project, folder: Path
) -> None:
    good = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(b"")
    (folder / "b.png").write_bytes(b"no picture")
    take_in(container, project, folder, salt=SALT)
    assert len(set_aside(container)) == 2
    (folder / "a.png").write_bytes(good)
    take_in(container, project, folder, salt=SALT)
    (message,) = set_aside(container)
    assert "empty" not in message


def set_aside(container: HomeWithFake) -> list[str]:
    with container.database.read() as uow:
        return [each.message for each in uow.marks.list_set_aside()]


def test_a_folder_without_a_usable_file_is_no_success(
    container: HomeWithFake, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "refused"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no picture")
    with pytest.raises(BadRequest, match="2 files of which none can be used"):
        take_in(container, project, folder, salt=SALT)
    assert "set aside b.png" in capsys.readouterr().out
    assert len(set_aside(container)) == 2


def test_review_tells_a_file_by_its_name_where_its_folder_is_given(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = container.settings.root
    ensure_secrets(home)
    salt = load_settings(home).salt.get_secret_value().encode()
    (folder / "clip" / "bad.png").touch()
    take_in(container, project, folder, salt=salt)
    capsys.readouterr()
    show_review(home, 0)
    said = capsys.readouterr().out
    assert re.search(r"^  file-[0-9a-f]{16}: got an empty file", said, re.MULTILINE)
    assert "review --frames DIR" in said
    show_review(home, 0, folder)
    said = capsys.readouterr().out
    assert "  clip/bad.png: got an empty file" in said
    assert "--frames" not in said


def test_an_intake_that_was_killed_is_waited_for(
    container: HomeWithFake, project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = container.clock
    assert isinstance(clock, ManualClock)
    monkeypatch.setattr("cli.intake.time.sleep", clock.advance)
    with container.database.write() as uow:
        until = clock() + timedelta(seconds=29)
        uow.marks.acquire(f"intake-{project.id}", "one that was killed", now=clock(), until=until)
        uow.commit()
    assert take_in(container, project, folder, salt=SALT).tasks == 5
    assert clock() > until


def test_an_empty_folder_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / ".hidden.png").write_bytes(b"no frame")
    with pytest.raises(BadRequest, match=r"an empty folder.* need image files"):
        require_folder(tmp_path)
