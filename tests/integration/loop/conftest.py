"""A small hospital: a real database, an in-memory Label Studio, frames with bright blobs, and readers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from db import open_database
from loop.ingest import reconcile
from tests.integration.loop.world import World


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "empty.sqlite3"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def make_world(empty_database: Path, tmp_path: Path) -> Callable[..., World]:
    """Make a world with its own database: `make_world(clips=4, per_clip=3, classes=("Vein",))`."""
    made: list[World] = []

    def make(**options: object) -> World:
        path = tmp_path / f"{len(made)}.sqlite3"
        shutil.copy(empty_database, path)
        made.append(World(f"sqlite:///{path}", **options))  # type: ignore[arg-type]
        return made[-1]

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Eight clips of four frames, no model in service yet."""
    return make_world()


@pytest.fixture
def labelled(world: World) -> World:
    """A champion, and twelve labels from its queue."""
    world.model()
    world.follow()
    world.label(12)
    reconcile(world.ingest, world.project.id)
    world.queue.take()
    return world


@pytest.fixture
def served(world: World) -> World:
    """A model's proposals are in the queue."""
    world.model()
    world.follow()
    return world
