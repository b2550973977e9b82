"""Projects of small frames for the modules that share one home, with recipes that train in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.intake import take_in
from cli.project import connect_project, make_project
from cli.work import WorkPlan
from tests.e2e.homes import CLASS, Home, Mirror, draw_clips
from tests.machine import wait_until
from trainer.recipes import RECIPES

BRIEF = replace(RECIPES["fast"], name="brief", size=64, steps=12, epoch_steps=4, min_epochs=3, looks=1)
SIDE = 64
"""Of the frames, px."""


def make_small_project(home: Home, title: str, frames: Path, clips: Iterable[int], per_clip: int) -> Mirror:
    """A project in the home with phantoms of its own, its first queue drawn."""
    mirror = make_empty_project(home, title)
    fill(mirror, draw_clips(frames, clips, per_clip, SIDE), 120)
    return mirror


def make_empty_project(home: Home, title: str, **settings: Any) -> Mirror:
    """A project without frames whose rounds take seconds; `settings` are kept with it."""
    request = WorkPlan(classes=CLASS, title=title).to_request()
    own = {**request.settings, "recipe": BRIEF.to_dict(), **settings}
    project = make_project(home.container, replace(request, settings=own))
    return Mirror(home.container, connect_project(home.container, project).id)


def fill(mirror: Mirror, frames: Path, seconds: float) -> None:
    """Give the project its frames, and wait until its queue is drawn."""
    take_in(mirror.container, mirror.project, frames)
    wait_until(lambda: len(mirror.queue()) == len(mirror.frames), "the first queue", seconds)
