"""`export` as a real process that is killed: what it leaves is known for what it is, and nothing else is."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from adapters.unfinished import NOTES, PREFIX
from cli.doctor.files import unfinished
from cli.doctor.findings import State
from cli.doctor.installation import Installation
from tests.services.commands import ended, start_command, wait_while_it_runs
from tests.services.homes import make_home

FRAMES = 30


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    root = tmp_path / "home"
    ensure_secrets(root)
    remember_settings(root, {"threads": 1})
    settings = load_settings(root)
    make_home(settings, frames=FRAMES, held_out=4)
    return settings


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kill_at_a_mask(home: Settings, target: Path) -> None:
    process = start_command("export", target, "--home", home.root)
    wait_while_it_runs(process, lambda: any(target.parent.glob(f"{PREFIX}*/content/masks/*.png")))
    process.kill()
    ended(process)


def test_what_a_killed_export_left_is_named_by_the_doctor_and_gone_with_the_next(
    home: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "dataset"
    kill_at_a_mask(home, target)
    (left,) = target.parent.iterdir()
    found = unfinished(Installation(home))
    assert found.state is State.WARN
    assert f"rm -r {left}" in found.todo.here
    assert ended(start_command("export", target, "--home", home.root))[0] == 0
    assert names(target.parent) == ["dataset"]
    assert len(list((target / "masks").iterdir())) == FRAMES
    assert names(home.root / NOTES) == []
    assert unfinished(Installation(home)).state is State.OK


def test_an_export_to_another_place_removes_it_too_and_nothing_that_is_not_ours(
    home: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "dataset"
    kill_at_a_mask(home, target)
    others = [target.parent / name for name in (f"{PREFIX}mine", ".writing-theirs", "content")]
    for each in others:
        each.mkdir()
        (each / "precious").write_text("a file of somebody")
    assert ended(start_command("export", tmp_path / "elsewhere", "--home", home.root))[0] == 0
    assert names(target.parent) == sorted(each.name for each in others)
    assert all((each / "precious").exists() for each in others)


def test_an_export_beside_a_living_one_leaves_it_alone(home: Settings, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    process = start_command("export", first, "--home", home.root)
    wait_while_it_runs(process, lambda: any(tmp_path.glob(f"{PREFIX}*/content/masks/*.png")))
    process.send_signal(signal.SIGSTOP)
    assert ended(start_command("export", second, "--home", home.root))[0] == 0
    process.send_signal(signal.SIGCONT)
    assert ended(process)[0] == 0
    assert names(first) == names(second)
