"""What people uploaded to Label Studio, wherever it lies and whatever it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.settings import Settings
from tests.integration.backup.homes import run, state_of

PLACE = Path("label-studio") / "media"


def restored(home: Settings, tmp_path: Path) -> Path:
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    return tmp_path / "new" / PLACE


@pytest.mark.parametrize("linked", ["", "upload"])
def test_uploads_on_another_disk_are_in_the_backup(home: Settings, tmp_path: Path, linked: str) -> None:
    (home.root / PLACE / linked).rename(tmp_path / "disk")
    (home.root / PLACE / linked).symlink_to(tmp_path / "disk")
    run("backup", tmp_path / "b.tar", "--home", home.root)
    media = restored(home, tmp_path)
    assert (media / "upload" / "avatar.png").read_bytes() == b"picture"
    assert not media.is_symlink()


@pytest.mark.parametrize("kind", ["file", "folder", "disk that is gone"])
def test_any_other_link_is_named_and_all_the_rest_is_in_the_backup(
    home: Settings, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "scan.png").write_bytes(b"scan")
    aim = {"file": "folder/scan.png", "folder": "folder"}.get(kind, "gone")
    (home.root / PLACE / "export").symlink_to(tmp_path / aim)
    result = run("backup", tmp_path / "b.tar", "--home", home.root, code=1)
    assert "not in it: 'label-studio/media/export' (a link)" in result.stdout
    assert "uploads that cannot be in a backup (1), as" in " ".join(result.stderr.split())
    media = restored(home, tmp_path)
    assert (media / "upload" / "avatar.png").read_bytes() == b"picture"
    assert not (media / "export").exists()


def test_media_on_a_disk_that_is_not_mounted_is_named(home: Settings, tmp_path: Path) -> None:
    (home.root / PLACE).rename(tmp_path / "disk")
    (home.root / PLACE).symlink_to(tmp_path / "gone")
    assert (
        "'label-studio/media' (a link)" in run("backup", tmp_path / "b", "--home", home.root, code=1).stdout
    )


@pytest.mark.parametrize(
    "names",
    [("Scan.png", "scan.png"), ("Screenshot 9.41\u202fAM.png", "a\u00a0b.png"), ("Größe.png", "超音波.png")],
)
def test_names_that_disks_take_come_back(home: Settings, tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        (home.root / PLACE / "upload" / name).write_text(name)
    run("backup", tmp_path / "b.tar", "--home", home.root)
    media = restored(home, tmp_path)
    assert [(media / "upload" / name).read_text() for name in names] == list(names)
    assert state_of(home)


@pytest.mark.parametrize(
    "name", ["a\nb.png", "a\\b.png", "\u202egnp.exe", b"\xff.png".decode("utf-8", "surrogateescape")]
)
def test_a_name_that_could_not_be_restored_is_told_and_all_the_rest_is_in_the_backup(
    home: Settings, tmp_path: Path, name: str
) -> None:
    (home.root / PLACE / "upload" / name).write_bytes(b"scan")
    result = run("backup", tmp_path / "b.tar", "--home", home.root, code=1)
    assert f"not in it: {f'label-studio/media/upload/{name}'!a} (its name)" in " ".join(result.stdout.split())
    assert "rename what is named so" in " ".join(result.stderr.split())
    assert (restored(home, tmp_path) / "upload" / "avatar.png").read_bytes() == b"picture"
