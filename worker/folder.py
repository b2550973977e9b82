"""The folder of one round: a folder per try, so that two that overlap in time never write the same file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from adapters.disk import PART_PREFIX, write_whole

CHECKPOINT = "checkpoint.safetensors"
"""What `trainer.run` replaces in its folder after an epoch."""


class RoundFolder:
    """`home/rounds/<round id>`; `result.json` is there once a training has ended with a model."""

    def __init__(self, root: Path, round_id: int) -> None:
        self.path = root / "rounds" / str(round_id)
        self._result = self.path / "result.json"

    def new_try(self, attempt: int) -> Path:
        """Make an empty folder for one more training process of this attempt."""
        self.path.mkdir(parents=True, exist_ok=True)
        number = len(list(self.path.glob("try-*"))) + 1
        folder = self.path / f"try-{number}-of-attempt-{attempt}"
        folder.mkdir()
        return folder

    def newest_checkpoint(self) -> Path | None:
        """The folder of the try that came farthest last; None when none has ended an epoch."""
        files = sorted(self.path.glob(f"try-*/{CHECKPOINT}"), key=lambda file: file.stat().st_mtime)
        return files[-1].parent if files else None

    def newest_job(self) -> Path | None:
        """The job file of the last try."""
        files = sorted(self.path.glob("try-*/job.json"), key=lambda file: file.stat().st_mtime)
        return files[-1] if files else None

    def keep_result(self, result: Mapping[str, Any]) -> None:
        """Note how the training ended, whole or not at all. Raises OSError."""
        write_whole(self._result, json.dumps(result).encode())

    def result(self) -> Mapping[str, Any] | None:
        """What `keep_result` noted; None before."""
        try:
            found = json.loads(self._result.read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def forget_result(self) -> None:
        """Ask for the end of the training once more."""
        self._result.unlink(missing_ok=True)

    def drop_weights(self) -> None:
        """Remove checkpoints and weights (400 MB a try), half-written ones too; job, evaluation and result
        stay for whoever asks later.
        """
        for pattern in ("try-*/*.safetensors", "try-*/*.part", f"{PART_PREFIX}*"):
            for file in self.path.glob(pattern):
                file.unlink(missing_ok=True)


def drop_weights_of_others(root: Path, live: Collection[int]) -> None:
    """Remove what rounds left that ended while no worker was there to tidy up."""
    for folder in (root / "rounds").glob("*"):
        if folder.name.isdigit() and int(folder.name) not in live:
            RoundFolder(root, int(folder.name)).drop_weights()
        elif not folder.name.isdigit():
            shutil.rmtree(folder, ignore_errors=True)
