"""The training process: `python -m trainer.run JOB.json`, told by one file, telling by JSON lines on stdout.

    {"event": "start", "epochs", "resumed", "frames", "inner", "held_out", "device", "precision", "base",
     "absent"}                                       classes that no training frame shows
    {"event": "set-aside", "frame_id", "message"}        a sample that could not be used
    {"event": "step", "epoch", "epochs", "step", "steps", "loss", "eta_seconds"}     at most one a second
    {"event": "epoch", "epoch", "epochs", "loss", "dice", "seconds", "eta_seconds", "stopped_early",
     "peak_bytes"}
    {"event": "done", "weights", "digest", "config", "metrics", "evaluation"}
    {"event": "failed", "reason", "message", "code"}     before every exit code that `trainer.endings` names

SIGTERM ends it between two steps with 143, the last checkpoint kept. So does a closed stdout: without a
supervisor there is nobody to train for.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from loop.errors import BadInput, SonoloopError
from loop.training_records import Split
from trainer.endings import STOPPED, Stopped, own_errors, reason_of
from trainer.job import JobSpec, read_job
from trainer.memory import peak_bytes

if TYPE_CHECKING:
    from trainer.evaluation import Evaluation
    from trainer.training import Step, Training

EVALUATION = "evaluation.json"
Emit = Callable[..., None]


def main(arguments: list[str]) -> int:
    """Train the job whose file is named and return the exit code."""
    signal.signal(signal.SIGTERM, _leave)  # nothing is begun while torch is imported: go at once
    emit = _reserve_stdout()
    try:
        with own_errors():
            run(read_job(Path(arguments[0])), emit)
    except (Stopped, BrokenPipeError):
        return STOPPED
    except SonoloopError as exc:
        reason, code = reason_of(exc)
        emit("failed", reason=reason, message=exc.message, code=code)
        return code
    return 0


def run(job: JobSpec, emit: Emit) -> None:
    """Train, write the model, judge it on the held-out frames, and tell of each."""
    import torch

    from trainer.becoming import finish
    from trainer.training import begin, train

    began = time.monotonic()
    torch.set_num_threads(job.threads)
    job.out.mkdir(parents=True, exist_ok=True)
    training = begin(job)
    watcher = Watcher(emit)
    _tell_start(training, emit)
    for report in train(training, watcher.between_steps):
        emit("epoch", **vars(report), peak_bytes=peak_bytes(training.device.type))
    path, digest, config = finish(training)
    evaluation = _evaluate(training, path, digest, watcher)
    evaluation.write(job.out / EVALUATION)
    emit(
        "done",
        weights=str(path),
        digest=digest,
        config=config,
        metrics=_metrics(training, evaluation) | {"seconds": round(time.monotonic() - began, 1)},
        evaluation=str(job.out / EVALUATION),
    )


class Watcher:
    """Hears SIGTERM and ends the work at the next pause; tells of steps, at most once a second."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self._is_stopped = False
        self._began = self._told = time.monotonic()
        self._first: int | None = None
        signal.signal(signal.SIGTERM, self._hear)

    def pause(self) -> None:
        """Raise Stopped once SIGTERM has come."""
        if self._is_stopped:
            raise Stopped

    def between_steps(self, step: Step) -> None:
        """Tell where the training is. Raises Stopped as `pause` does."""
        self.pause()
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = step.step, now
        if now - self._told < 1 or step.step == self._first:
            return
        self._told = now
        each = (now - self._began) / (step.step - self._first)
        self.emit("step", **vars(step), eta_seconds=round(each * (step.steps - step.step), 1))

    def _hear(self, *_: object) -> None:
        self._is_stopped = True


def _evaluate(training: Training, path: Path, digest: str, watcher: Watcher) -> Evaluation:
    from trainer.engine import load_segmenter
    from trainer.evaluation import evaluate

    job = training.job
    load = partial(
        load_segmenter,
        threads=job.threads,
        classes=job.classes,
        prior_class=job.prior_class,
        measures=(),
        precision=training.progress.precision,  # two models are compared: both in the same
    )
    candidate = load(path, digest=digest)
    champion = load(job.champion, digest=job.champion_digest) if job.champion else None
    evaluation = evaluate(job.of_split(Split.HELD_OUT), candidate, champion, watcher.pause)
    for frame_id, error in evaluation.rejected:
        _tell_set_aside(frame_id, error, watcher.emit)
    return evaluation


def _metrics(training: Training, evaluation: Evaluation) -> dict[str, Any]:
    champion = evaluation.champion
    return {
        "held_out": evaluation.candidate.to_dict(),
        "champion_held_out": champion.to_dict() if champion else None,
        "inner_dice": training.progress.best_dice,
        "best_epoch": training.progress.best_epoch,
        "epochs": training.epochs,
        "planned_epochs": training.planned_epochs,
        "absent": training.absent,
        "frames": len(training.frames),
    }


def _tell_start(training: Training, emit: Emit) -> None:
    job = training.job
    emit(
        "start",
        epochs=training.epochs,
        resumed=training.progress.epoch,
        frames=len(training.frames),
        inner=len(training.inner),
        held_out=len(job.of_split(Split.HELD_OUT)),
        device=training.device.type,
        precision=training.progress.precision,
        base=job.origin,
        absent=training.absent,
    )
    for sample, error in (*training.frames.rejected, *training.inner.rejected):
        _tell_set_aside(sample.frame_id, error, emit)


def _tell_set_aside(frame_id: int, error: BadInput, emit: Emit) -> None:
    emit("set-aside", frame_id=frame_id, message=error.message)


def _reserve_stdout() -> Emit:
    """Keep stdout for events alone: what any library prints goes to stderr from here on."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def emit(event: str, **fields: Any) -> None:
        lines.write(json.dumps({"event": event, **fields}) + "\n")
        lines.flush()

    return emit


def _leave(*_: object) -> NoReturn:
    sys.exit(STOPPED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
