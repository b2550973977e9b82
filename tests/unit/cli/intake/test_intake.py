"""What is set aside, comes back, waits or is refused when a folder is taken in."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.services.secrets import ensure_secrets
from cli.intake import require_folder, take_in
from cli.review import show_review
from loop.errors import BadRequest
from loop.messages import DELETED_TASK
from loop.records import Decision, Project
from tests.fakes.clock import ManualClock
from tests.unit.cli.intake.conftest import SALT, HomeWithFake, set_aside


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


def test_review_counts_what_was_deleted_and_names_the_command_that_lists_it(
    container: HomeWithFake, project: Project, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = container.settings.root
    ensure_secrets(home)
    take_in(container, project, folder, salt=load_settings(home).salt.get_secret_value().encode())
    show_review(home, 0)
    assert "deleted" not in capsys.readouterr().out
    with container.database.write() as uow:
        uow.masks.append(
            frame_id=uow.frames.list(project.id)[0].id,
            annotation_id=1,
            updated_at=container.clock(),
            reader_id=None,
            decision=Decision.DELETED,
            mask_digest=None,
            seconds=None,
            proposal_id=None,
            dice_to_proposal=None,
            is_simulated=False,
            now=container.clock(),
        )
        uow.commit()
    show_review(home, 0)
    assert "labels deleted in Label Studio: 1; ./sonoloop label deleted lists" in capsys.readouterr().out


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
