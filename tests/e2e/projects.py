"""Projects of small frames for the modules that share one home, with recipes that train in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

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
    request = WorkPlan(classes=CLASS, title=title).to_request()
    request = replace(request, settings={**request.settings, "recipe": BRIEF.to_dict()})
    project = connect_project(home.container, make_project(home.container, request))
    take_in(home.container, project, draw_clips(frames, clips, per_clip, SIDE))
    mirror = Mirror(home.container, project.id)
    wait_until(lambda: len(mirror.queue()) == len(mirror.frames), "the first queue", 120)
    return mirror
