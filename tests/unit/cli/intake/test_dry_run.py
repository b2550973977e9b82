"""Looking ahead: what an intake would do, and what it would refuse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.services.secrets import ensure_secrets
from cli.intake import look_ahead, take_in
from cli.work import WorkPlan, add_folder, foresee_added, foresee_up
from loop.errors import BadRequest, NotFound, SonoloopError
from loop.records import Project
from tests.unit.cli.intake.conftest import SALT, HomeWithFake, places


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
