"""The simulated reader: works as a browser does, through Label Studio's API, next task by next task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from adapters.formats.truth import TruthFolder
from adapters.label_studio.session import ReaderSession, ServedTask
from loop.errors import BadMask, NotFound
from loop.ports import BrushCodec
from loop.reader import ReaderMove, decide
from loop.regions import mask_to_result, result_to_mask

EMAIL = "simulated-reader@sonoloop.local"

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class TruthFile:
    """Where the truth of one frame lies, and the frame's size in px."""

    relative: PurePosixPath
    height: int
    width: int


class KnownTruth(Mapping[str, Mask]):
    """Truth masks bool (C, H, W) by frame digest, read when asked for; unusable ones are not there."""

    def __init__(self, folder: TruthFolder, files: Mapping[str, TruthFile]) -> None:
        self._folder = folder
        self._files = {digest: file for digest, file in files.items() if self._is_usable(file)}

    def __getitem__(self, digest: str) -> Mask:
        file = self._files[digest]
        return self._folder.read(file.relative, file.height, file.width)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def _is_usable(self, file: TruthFile) -> bool:
        try:
            self._folder.read(file.relative, file.height, file.width)
        except (NotFound, BadMask):
            return False
        return True


@dataclass(frozen=True)
class FrameRead:
    """The digest of a frame that was read, and what the reader did with it."""

    digest: str
    move: ReaderMove


@dataclass(frozen=True)
class SimulatedReader:
    """Reads one project for one session; `truth` is what it takes for right."""

    session: ReaderSession
    label_studio_project: int
    classes: tuple[str, ...]
    truth: Mapping[str, Mask]
    codec: BrushCodec

    def read_next(self) -> FrameRead | None:
        """Take the next task and submit what `loop.reader` decides; None: the queue is empty.

        A frame without truth is skipped. The seconds sent along are this program's and stand in no report.
        """
        started = time.monotonic()
        task = self.session.next_task(self.label_studio_project)
        while task is not None and str(task.data.get("frame")) not in self.truth:
            self.session.skip(task.id, [], 0.0, task.shown.id if task.shown else None)
            task = self.session.next_task(self.label_studio_project)
        return self._read(task, started) if task is not None else None

    def _read(self, task: ServedTask, started: float) -> FrameRead:
        digest = str(task.data["frame"])
        truth = self.truth[digest]
        shown = task.shown if task.shown is not None and task.shown.result else None
        proposal = None
        if shown is not None:
            _, height, width = truth.shape
            proposal = result_to_mask(shown.result, self.classes, height, width, self.codec)
        action = decide(proposal, truth)
        if shown is not None and action.decision is ReaderMove.ACCEPT:
            result = shown.result
        else:
            result = mask_to_result(action.mask, self.classes, self.codec, f"reader {task.id}")
        parent = task.shown.id if task.shown else None
        self.session.submit(task.id, result, time.monotonic() - started, parent)
        return FrameRead(digest, action.decision)
