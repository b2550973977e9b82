"""How a training can end other than with a model, and the exit code that says so to the supervisor."""

from __future__ import annotations

import errno
import mmap
import re
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
    """The training was asked to stop; the last whole epoch is kept as a checkpoint."""


NO_MEMORY = ("out of memory", "can't allocate memory", "Insufficient memory", "std::bad_alloc")
"""What torch (CUDA, CPU), OpenCV and C++ say, each in an error of a general kind."""
LAST_WORDS = re.compile(r"^memory allocation of \d+ bytes failed|std::bad_alloc|^[\w.]*MemoryError(:|$)")
"""Of Rust and C++, which abort the process, and of Python."""
LITTLE_MEMORY = 256 << 20
"""Bytes; a process that is not even promised them has too few for a training step."""
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
    except SonoloopError:
        raise
    except Exception as exc:
        if wants_memory(exc):
            raise OutOfMemory("no more memory", "a smaller batch or size") from exc
        if isinstance(exc, OSError) and exc.errno in NO_ROOM:
            raise OutOfSpace("a disk with no room", "", "make room, then try again") from exc
        raise


def wants_memory(error: Exception) -> bool:
    """Whether an error is one for want of memory: few libraries raise a kind of their own for it, and some do
    not name it, such as oneDNN ("could not create a primitive") and the loader of shared libraries.
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if any(words in str(error) for words in NO_MEMORY):
        return True
    return isinstance(error, RuntimeError | ImportError) and not _has_memory()


def _has_memory() -> bool:
    try:
        mmap.mmap(-1, LITTLE_MEMORY).close()  # promised only: no page of it is touched
    except OSError:
        return False
    return True


def names_want_of_memory(line: str) -> bool:
    """Whether a line on stderr gives the want of memory as the reason for which a process ends."""
    return LAST_WORDS.search(line) is not None
