"""A training that ends as the test wishes, without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from loop.training_records import Split
from trainer.job import JobSpec, read_job
from worker.process import Event

Look = Callable[[Iterable[Event]], None]


class Training:
    """Ends its runs as `endings` say, in turn: an error, or None for a model."""

    def __init__(self, *endings: Exception | None) -> None:
        self.jobs: list[JobSpec] = []
        self.before_end: Callable[[], None] = lambda: None
        self._endings = list(endings)

    def __call__(self, path: Path, look: Look) -> Event:
        job = read_job(path)
        self.jobs.append(job)
        look([{"event": "set-aside", "frame_id": 1, "message": "got a damaged frame"}])
        ending = self._endings.pop(0)
        if ending is not None:
            raise ending
        self.before_end()
        return write_model(job, number=len(self.jobs))


def write_model(job: JobSpec, number: int) -> Event:
    weights, evaluation = job.out / "model.safetensors", job.out / "evaluation.json"
    data = f"weights {number}".encode()
    weights.write_bytes(data)
    good = {"tp": [90], "fp": [10], "fn": [10], "tn": [900]}
    other = {"tp": [50], "fp": [50], "fn": [50], "tn": [900]} if job.champion else None
    held_out = job.of_split(Split.HELD_OUT)
    frames = [
        {"frame_id": s.frame_id, "group": s.group, "candidate": good, "champion": other} for s in held_out
    ]
    evaluation.write_text(json.dumps({"frames": frames}))
    digest = hashlib.sha256(data).hexdigest()
    return {
        "event": "done",
        "weights": str(weights),
        "digest": digest,
        "config": {"network": "tiny"},
        "metrics": {},
        "evaluation": str(evaluation),
    }
