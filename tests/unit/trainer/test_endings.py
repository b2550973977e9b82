"""How a training ends where memory or room is wanting."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from loop.errors import BadInput, OutOfMemory, OutOfSpace
from tests.discs import disc_job
from trainer.dataset import FrameSet
from trainer.endings import Stopped, names_want_of_memory, own_errors, reason_of


def test_want_of_memory_and_of_room_are_told_apart_from_other_errors() -> None:
    with pytest.raises(OutOfMemory) as memory, own_errors():
        torch.empty(1 << 50)
    with pytest.raises(OutOfSpace) as room, own_errors(), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    with pytest.raises(RuntimeError, match="mat1"), own_errors():
        torch.zeros(2, 2) @ torch.zeros(3, 3)
    with pytest.raises(BadInput, match="out of memory"), own_errors():
        raise BadInput("an error of ours that speaks of out of memory")
    assert (reason_of(memory.value), reason_of(room.value)) == (("out of memory", 3), ("disk full", 5))
    assert reason_of(BadInput("x")) == ("bad input", 2)


@contextmanager
def no_more_memory() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process can be kept from memory")
def test_a_frame_for_which_there_is_no_memory_is_not_set_aside(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    cv2.imwrite(str(job.samples[0].image), np.zeros((16000, 16000), np.uint8))
    with pytest.raises(OutOfMemory), own_errors(), no_more_memory():
        FrameSet(job.samples, 1, 64)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process can be kept from memory")
@pytest.mark.parametrize("kind", [RuntimeError, ImportError])
def test_an_error_that_names_no_reason_is_one_of_memory_where_there_is_none(kind: type[Exception]) -> None:
    with pytest.raises(kind), own_errors():
        raise kind("could not create a primitive")
    with pytest.raises(OutOfMemory), no_more_memory(), own_errors():
        raise kind("could not create a primitive")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process can be kept from memory")
def test_a_stop_that_was_asked_for_is_one_even_without_memory() -> None:
    with pytest.raises(Stopped), no_more_memory(), own_errors():
        raise Stopped


@pytest.mark.parametrize(
    ("said", "is_reason"),
    [
        ("memory allocation of 79778044 bytes failed", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("MemoryError: ", True),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 2.00 GiB for an array", True),
        ("MemoryErrors.md was not found", False),
        ("UserWarning: pinned memory is not used", False),
    ],
)
def test_last_words_on_stderr_name_want_of_memory(said: str, is_reason: bool) -> None:
    assert names_want_of_memory(said) is is_reason
