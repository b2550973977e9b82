"""What the demo is made of: frames that are drawn once, and the truth that its reader knows."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from adapters.formats.truth import TruthFolder, parse_classes
from cli.demo_frames import DemoFrames, draw_demo_frames
from cli.simulated import KnownTruth, TruthFile

PLAN = DemoFrames(clips=2, frames_per_clip=2, size=64)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def test_missing_clips_are_drawn_again_to_the_same_bytes_and_whole_ones_are_left(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    frames, truth = draw_demo_frames(PLAN, tmp_path, lambda done, total: heard.append((done, total)))
    first = files(tmp_path)
    assert sorted(first) == [
        f"{part}/clip{clip:03d}/{frame:03d}.png"
        for part in ("frames", "truth")
        for clip in range(2)
        for frame in range(2)
    ]
    assert heard == [(0, 2), (1, 2), (2, 2)]
    assert set(np.unique(np.asarray(Image.open(truth / "clip000" / "000.png")))) <= {0, 1}

    shutil.rmtree(truth / "clip001")  # as after a power cut between frames and truth
    (frames / "clip001" / "000.png").unlink()
    written = (frames / "clip000" / "000.png").stat().st_mtime_ns
    heard.clear()
    draw_demo_frames(PLAN, tmp_path, lambda done, total: heard.append((done, total)))
    assert files(tmp_path) == first
    assert heard == [(1, 2), (2, 2)]
    assert (frames / "clip000" / "000.png").stat().st_mtime_ns == written


def test_a_frame_without_a_usable_mask_is_not_known(tmp_path: Path) -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:4] = 2
    Image.fromarray(mask).save(tmp_path / "good.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    named = {name: TruthFile(PurePosixPath(f"{name}.tif"), 4, 6) for name in ("good", "damaged", "missing")}
    known = KnownTruth(TruthFolder(tmp_path, parse_classes("vessel=2")), named)
    assert list(known) == ["good"]
    assert known["good"].shape == (1, 4, 6)
    assert known["good"].sum() == 4
