"""How a training can end other than with a model, and the exit code that says so to the supervisor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from loop.errors import OutOfMemory, OutOfSpace, SonoloopError, TrainingFailed, Unavailable
from trainer.durable import NO_ROOM

STOPPED = 143
"""Exit code after SIGTERM: the last checkpoint is kept, another attempt goes on from it."""
BAD_INPUT = 2
"""Exit code when the job itself is at fault: the same job will fail again."""


class NonFiniteLoss(TrainingFailed):
    """The loss became NaN or infinite: another try with the same numbers would do so again."""


class Stopped(Exception):
    """The training was asked to stop; the checkpoint of the last whole epoch stays."""


EXITS: tuple[tuple[type[SonoloopError], str, int], ...] = (
    (OutOfMemory, "out of memory", 3),
    (NonFiniteLoss, "non-finite loss", 4),
    (OutOfSpace, "disk full", 5),
    (Unavailable, "unavailable", 6),
    (SonoloopError, "bad input", BAD_INPUT),
)
"""Errors with their reason and exit code, the first that fits; a crash that nobody foresaw ends with 1."""


def reason_of(error: SonoloopError) -> tuple[str, int]:
    """Give reason and exit code of an error."""
    return next((reason, code) for kind, reason, code in EXITS if isinstance(error, kind))


@contextmanager
def own_errors() -> Iterator[None]:
    """Turn what torch and the system raise for want of memory or room into OutOfMemory and OutOfSpace."""
    try:
        yield
    except MemoryError as exc:
        raise OutOfMemory("no more memory", "a smaller batch or size") from exc
    except RuntimeError as exc:  # torch.OutOfMemoryError is one; its CPU allocator raises no kind of its own
        if not any(words in str(exc) for words in ("out of memory", "can't allocate memory")):
            raise
        raise OutOfMemory("no more memory for tensors", "a smaller batch or size") from exc
    except OSError as exc:
        if exc.errno not in NO_ROOM:
            raise
        raise OutOfSpace("a disk with no room", "", "make room, then try again") from exc
