"""A whole home on a disk that fills up while a reader works: once there is room, all heals by itself."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.label_studio.users import ensure_reader
from adapters.locks import holder
from adapters.services.paths import Paths
from adapters.services.programs import LABEL_STUDIO, REDIS, WORKER_LIGHT
from adapters.services.readiness import look
from loop.errors import SonoloopError
from tests.e2e.homes import draw_clips, running_home
from tests.e2e.outages import Services, wait_until_whole
from tests.e2e.projects import SIDE, fill, make_empty_project
from tests.e2e.readers import label
from tests.fault_table import Drill
from tests.invariants import parts_of
from tests.machine import demand_label_studio, give_up, wait_until
from tests.services.disks import small_disk
from tests.services.label_studio import READER_PASSWORD

MEGABYTES = 400
FULL_SECONDS = 60.0
BEFORE = 5


@pytest.mark.full
@pytest.mark.services
@pytest.mark.timeout(1500)
@pytest.mark.fault(
    "the disk of a whole home is full",
    done=f"no page free for {FULL_SECONDS:.0f} s while a reader goes on and services are killed; then room, "
    "and nothing by hand",
)
def test_a_home_heals_by_itself_once_there_is_room(tmp_path: Path, drill: Drill) -> None:
    demand_label_studio()
    frames = draw_clips(tmp_path / "first", range(2), 1, SIDE)
    own = Path(tempfile.mkdtemp(prefix="sonoloop-e2e-")) / "home"
    with small_disk(own, MEGABYTES) as disk:
        if not disk.is_real:
            give_up("a small disk: this user may not mount one")
        with running_home(frames, disk.folder) as home:
            services, parts = Services(home.settings), parts_of(home.container)
            mirror = make_empty_project(home, "Full", min_new_labels=10_000)
            fill(mirror, draw_clips(tmp_path / "frames", range(20, 50), 2, SIDE), 300)
            reader = ensure_reader(home.container.label_studio_api, "reader@full.org", READER_PASSWORD)
            made = label(mirror, reader, BEFORE, SIDE)
            supervisor = holder(Paths(home.settings).supervisor_lock)
            disk.fill()
            began = time.monotonic()
            while time.monotonic() < began + FULL_SECONDS:
                with suppress(SonoloopError):  # Label Studio says that it could not store it
                    made |= label(mirror, reader, 1, SIDE)
                if time.monotonic() > began + FULL_SECONDS / 2:
                    services.kill(LABEL_STUDIO, REDIS, WORKER_LIGHT)
                time.sleep(2)
            disk.make_room()
            with drill.recovering():
                wait_until(lambda: all(each.is_ready for each in look(home.settings)), "every service", 300)
                wait_until_whole(parts, mirror.project_id)
            assert holder(Paths(home.settings).supervisor_lock) == supervisor
            assert {mask.annotation_id for mask in mirror.masks().values()} >= set(made.values())
            made |= label(mirror, reader, 2, SIDE)
            wait_until_whole(parts, mirror.project_id)
            assert drill.check(parts, mirror.project_id).annotations >= len(made)
