"""Draws the demo's phantoms into a folder, as a scanner would have left them: one sub-folder for each recording."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class DemoFrames:
    """What to draw: `clips` recordings of `frames_per_clip` frames of `size` x `size` px; a seed gives the same bytes."""

    clips: int = 20
    frames_per_clip: int = 6
    size: int = 512
    seed: int = 0

    @property
    def total(self) -> int:
        """How many frames there are in all."""
        return self.clips * self.frames_per_clip


def draw_demo_frames(
    plan: DemoFrames, folder: Path, on_clip: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Path, Path]:
    """Draw what is missing and return the folders of frames and of truth masks (0 background, 1 vessel).

    Drawing again after an interruption adds the clips that are not there; `on_clip` hears (done, total) clips.
    """
    frames, truth = folder / "frames", folder / "truth"
    missing = [index for index in range(plan.clips) if not _is_drawn(plan, truth, index)]
    done = plan.clips - len(missing)
    on_clip(done, plan.clips)
    with ProcessPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = [pool.submit(_draw_clip, plan, index, frames, truth) for index in missing]
        for future in as_completed(futures):
            future.result()
            done += 1
            on_clip(done, plan.clips)
    return frames, truth


def _is_drawn(plan: DemoFrames, truth: Path, index: int) -> bool:
    return (truth / _clip_name(index) / f"{plan.frames_per_clip - 1:03d}.png").exists()


def _clip_name(index: int) -> str:
    return f"clip{index:03d}"


def _draw_clip(plan: DemoFrames, index: int, frames: Path, truth: Path) -> None:
    from trainer.phantoms import DEMO_SCANNER, draw_clip

    clip = draw_clip(10_000 * (plan.seed + 1) + index, plan.frames_per_clip, plan.size, DEMO_SCANNER)
    for folder in (frames, truth):
        (folder / _clip_name(index)).mkdir(parents=True, exist_ok=True)
    for number in range(plan.frames_per_clip):
        name = f"{_clip_name(index)}/{number:03d}.png"
        Image.fromarray(clip.images[number]).save(frames / name)
        Image.fromarray((clip.masks[number] > 0).astype("uint8")).save(truth / name)
