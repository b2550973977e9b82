"""A home with a Label Studio of its own that is none, and folders to take in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.bootstrap import Container
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


def places(container: HomeWithFake, project: Project) -> Counter[tuple[str, str | None]]:
    with container.database.read() as uow:
        return Counter((frame.clip, frame.patient) for frame in uow.frames.list(project.id))


def set_aside(container: HomeWithFake) -> list[str]:
    with container.database.read() as uow:
        return [each.message for each in uow.marks.list_set_aside()]
