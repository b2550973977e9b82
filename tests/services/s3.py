"""A real S3 server on loopback, a process of its own: moto's, which keeps what it is given in memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import boto3  # type: ignore[import-untyped]
import httpx

from tests.machine import free_port

START_SECONDS = 60.0


@dataclass
class RunningS3:
    """An S3 server that a test may kill; `environment` is what a program needs to reach it."""

    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }

    def start(self, *, calls_before_keys_count: int | None = None) -> None:
        """With a number the server asks for keys that it knows, once so many calls were made."""
        program = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        given = calls_before_keys_count
        strict = {"INITIAL_NO_AUTH_ACTION_COUNT": str(given)} if given is not None else {}
        self._process = subprocess.Popen(
            program,
            env={**os.environ, **strict},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        while not self._is_up():
            assert self._process.poll() is None, "the S3 server ended while starting"
            assert time.monotonic() < until, "the S3 server did not come up"
            time.sleep(0.05)

    def new_bucket(self, name: str = "") -> str:
        """Make a bucket, without a name one's own; its address."""
        name = name or f"sonoloop-{uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}/content"

    def client(self) -> Any:
        """A client of another make than ours, to look at what lies there."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_up(self) -> bool:
        try:
            httpx.get(self.url, timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return True


@contextmanager
def running_s3() -> Iterator[RunningS3]:
    """A server without buckets."""
    server = RunningS3()
    try:
        server.start()
        yield server
    finally:
        server.kill()
