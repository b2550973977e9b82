"""Draws the demo's phantoms into a folder, as a scanner would have left them: a sub-folder a recording."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from adapters.cores import usable_cores
from loop.errors import Unavailable
from trainer.processes import map_in_processes


@dataclass(frozen=True)
class DemoFrames:
    """What to draw: `clips` recordings of `frames_per_clip` frames of `size` x `size` px.

    A seed gives the same bytes.
    """

    clips: int = 40
    frames_per_clip: int = 3
    size: int = 512
    seed: int = 0


def draw_demo_frames(
    plan: DemoFrames, folder: Path, on_clip: Callable[[int, int], None] = lambda *_: None
) -> tuple[Path, Path]:
    """Draw what is missing and return the folders of frames and of truth masks (0 background, 1 vessel).

    Drawing again after an interruption adds the clips that are not there; `on_clip` hears (done, all) clips.
    Raises Unavailable when the system ends a drawing process.
    """
    frames, truth = folder / "frames", folder / "truth"
    missing = [index for index in range(plan.clips) if not (truth / _clip_name(index)).is_dir()]
    done = plan.clips - len(missing)
    on_clip(done, plan.clips)
    try:
        for _ in map_in_processes(partial(_draw_clip, plan, frames, truth), missing, usable_cores()):
            done += 1
            on_clip(done, plan.clips)
    except BrokenProcessPool as exc:
        raise Unavailable(
            "a drawing process that was killed",
            "300 MB of memory for each core",
            "close other programs and start the same command again; what is drawn is kept",
        ) from exc
    return frames, truth


def _clip_name(index: int) -> str:
    return f"clip{index:03d}"


def _draw_clip(plan: DemoFrames, frames: Path, truth: Path, index: int) -> None:
    """Draw beside, then move: a clip is there whole or not at all, its truth last."""
    from trainer.phantoms import DEMO_SCANNER, draw_clip

    clip = draw_clip(10_000 * (plan.seed + 1) + index, plan.frames_per_clip, plan.size, DEMO_SCANNER)
    pictures = {frames: clip.images, truth: (clip.masks > 0).astype("uint8")}
    for folder, stack in pictures.items():
        draft, final = folder / f".{_clip_name(index)}", folder / _clip_name(index)
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(final, ignore_errors=True)
        draft.mkdir(parents=True)
        for number, picture in enumerate(stack):
            Image.fromarray(picture).save(draft / f"{number:03d}.png")
        draft.rename(final)
