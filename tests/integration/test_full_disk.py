"""A disk that is full when a mask or an export is written: what is there stays whole, and the rest follows
once there is room.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from adapters.bootstrap import Container
from adapters.formats.dataset import write_dataset
from cli.backup import write_backup
from loop.errors import OutOfSpace, Unavailable
from loop.export import gather_export
from loop.ingest import reconcile
from loop.regions import mask_to_result
from tests.fakes.clock import ManualClock
from tests.fakes.label_studio import FakeLabelStudio
from tests.fault_table import Drill
from tests.integration.backup.homes import made_home
from tests.invariants import export_digests
from tests.machine import give_up
from tests.services.disks import small_disk
from tests.services.homes import label_studio_of, make_home, make_settings, parts_with

FRAMES = 6


class HomeWithFake(Container):
    """A home whose Label Studio lives in this process and holds what its mirror holds."""

    @cached_property
    def label_studio(self) -> FakeLabelStudio:  # type: ignore[override]
        return label_studio_of(self)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[HomeWithFake]:
    settings = make_settings(tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock")
    make_home(settings, frames=FRAMES, held_out=2)
    with closing(HomeWithFake(settings, ManualClock())) as made:
        yield made


@pytest.mark.fault("the disk is full at a mask", done="masks/ on a disk with no page free; then room")
def test_a_mask_without_room_is_stored_once_there_is(container: HomeWithFake, drill: Drill) -> None:
    studio = container.label_studio
    parts = parts_with(container, studio)
    before = export_digests(parts, 1)
    kept = {path.name: path.read_bytes() for path in (container.settings.root / "masks").rglob("*.slm")}
    with small_disk(container.settings.root / "masks", 1) as disk:
        for name, data in kept.items():
            (disk.folder / name[:2]).mkdir(exist_ok=True)
            (disk.folder / name[:2] / name).write_bytes(data)
        draw(container, studio)
        disk.fill()
        for _ in range(2):
            with pytest.raises(Unavailable):
                reconcile(container.ingest_ports, 1)
        assert not list(disk.folder.rglob(".writing-*"))
        disk.make_room()
        assert export_digests(parts, 1) == before
        with drill.recovering():
            reconcile(container.ingest_ports, 1)
        assert drill.check(parts).annotations == FRAMES + 1


@pytest.mark.fault("the disk is full at an export", done="the target on a disk with no page free; then room")
def test_an_export_without_room_leaves_nothing_and_works_once_there_is(
    container: HomeWithFake, tmp_path: Path, drill: Drill
) -> None:
    parts = parts_with(container, container.label_studio)
    before = export_digests(parts, 1)
    with container.database.read() as uow:
        export = gather_export(uow, 1)
    with small_disk(tmp_path / "stick", 1) as disk:
        disk.fill()
        with pytest.raises(OutOfSpace):
            write_dataset(export, container.storage, disk.folder / "export")
        assert [path.name for path in disk.folder.iterdir()] in ([], ["filler"])
        disk.make_room()
        with drill.recovering():
            written = write_dataset(export, container.storage, disk.folder / "export")
        assert written.frames == FRAMES
    assert export_digests(parts, 1) == before
    drill.check(parts)


@pytest.mark.parametrize("full", ["home", "target"])
def test_a_backup_of_or_to_a_full_disk_names_the_full_disk(tmp_path: Path, full: str) -> None:
    """SQLite itself speaks of an I/O error, as of a disk that fails, where its log finds no room."""
    with small_disk(tmp_path / full, 8) as disk:
        if not disk.is_real:
            give_up("nothing can be mounted here")
        settings = made_home(tmp_path / "home")
        disk.fill()
        (tmp_path / "target").mkdir(exist_ok=True)
        with pytest.raises(OutOfSpace):
            write_backup(settings, tmp_path / "target" / "b.tar")
        assert not list((tmp_path / "target").glob("*.tar"))
        disk.make_room()
        write_backup(settings, tmp_path / "target" / "b.tar")


def draw(container: HomeWithFake, studio: FakeLabelStudio) -> None:
    """A reader submits something new."""
    with container.database.read() as uow:
        frame = uow.frames.list(1)[0]
    mask = np.random.default_rng(7).random((1, frame.height, frame.width)) > 0.5
    studio.clock = container.clock
    studio.annotate(frame.task_id or 0, mask_to_result(mask, ("vein",), container.codec, "new"))
