"""What the contract suites share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.s3 import RunningS3, running_s3


@pytest.fixture(scope="session")
def s3_server() -> Iterator[RunningS3]:
    """One real S3 server for the whole run: make a bucket of your own in it."""
    with running_s3() as server:
        yield server


@pytest.fixture
def s3(s3_server: RunningS3, monkeypatch: pytest.MonkeyPatch) -> RunningS3:
    """The server, and this process set up to reach it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
