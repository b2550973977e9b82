"""One thread for torch: the tests are small, and equal runs must be equal to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.trainings import Run


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def reference(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Run:
    """Three epochs of two steps, undisturbed."""
    from tests.discs import disc_job
    from tests.trainings import run
    from trainer.training import begin

    return run(begin(disc_job(tmp_path_factory.mktemp("reference"))))
