"""What a person is told of a label whose newest state cannot be read: that, where, and what to do."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.app import app
from cli.doctor.examine import examine
from cli.doctor.findings import State
from cli.doctor.installation import read_installation
from loop.messages import BAD_ANNOTATION
from loop.unreadable import TODO
from tests.machine import free_port
from tests.services.homes import NOW, make_home

# pycocotools' decoder says so of itself; nothing of ours can change it
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WHICH = "labels that cannot be read: 1 (task 102)"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Three labelled frames; a later state of the second label is damaged. Label Studio is away."""
    root = tmp_path / "home"
    ensure_secrets(root)
    remember_settings(root, {"threads": 1, "label_studio_port": free_port(), "backend_port": free_port()})
    settings = load_settings(root)
    make_home(settings, frames=3, held_out=1)
    with closing(build(settings)) as container, container.database.write() as uow:
        uow.marks.set_aside(BAD_ANNOTATION, "502", "got a code [of] 3; need 4", NOW, task_id=102)
        uow.marks.set_aside("frame", "a" * 64, "got no image", NOW)
        uow.commit()
    return settings


def said(home: Settings, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--home", str(home.root)], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    return done.output


def test_status_names_the_task_and_what_to_do(home: Settings) -> None:
    (line,) = (line for line in said(home, "status").splitlines() if "cannot be read" in line)
    assert f"{WHICH}, labelled frames left out of rounds: 1; {TODO}" in line


def test_review_gives_the_address_and_the_reason(home: Settings) -> None:
    lines = said(home, "review").splitlines()
    assert f"labels that cannot be read: 1; {TODO}" in lines
    (place,) = (line for line in lines if "annotation 502" in line)
    assert "/projects/7/data/?task=102 " in place
    assert place.endswith("got a code [of] 3; need 4")
    assert "other inputs set aside: 1" in lines
    assert sum("502" in line for line in lines) == 1


def test_the_doctor_warns_of_it(home: Settings) -> None:
    finding = dict(examine(read_installation(home.root)))["set aside"]
    assert (finding.state, finding.todo.here.startswith(TODO)) == (State.WARN, True)
    assert finding.got == f"{WHICH}, others set aside: 1, skipped by two readers: 0"


def test_an_export_marks_the_older_mask_and_says_so_on_the_screen_and_in_the_folder(
    home: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "dataset"
    assert f"{WHICH}, frames marked may_be_outdated: 1; {TODO}" in said(home, "export", str(folder))
    manifest = json.loads((folder / "dataset.json").read_text())
    (outdated,) = (each["image"] for each in manifest["frames"] if each["may_be_outdated"])
    assert manifest["counts"]["unreadable_labels"] == manifest["counts"]["frames_that_may_be_outdated"] == 1
    coco = json.loads((folder / "coco/annotations/instances_all.json").read_text())
    assert [each["file_name"] for each in coco["images"] if each["may_be_outdated"]] == [outdated]
    readme = (folder / "README.txt").read_text()
    assert "newest state could not be read: 1 (task 102 in Label Studio)" in readme
    assert "may hold an older mask because of that: 1." in readme


def test_an_export_without_one_speaks_of_none(home: Settings, tmp_path: Path) -> None:
    with closing(build(home)) as container, container.database.write() as uow:
        uow.marks.resolve(BAD_ANNOTATION, "502")
        uow.commit()
    assert "cannot be read" not in said(home, "export", str(tmp_path / "dataset"))
    assert "older mask" not in (tmp_path / "dataset" / "README.txt").read_text()
    assert '"may_be_outdated": true' not in (tmp_path / "dataset" / "dataset.json").read_text()
