"""A real PostgreSQL server of our own for one test run: a private folder, a free port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machine import free_port

DURABILITY_OFF = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


@contextmanager
def running_postgres(programs: Path, *, is_durable: bool = False) -> Iterator[str]:
    """Start the server found in `programs`; yield the SQLAlchemy address of its empty database.

    Only one that `is_durable` keeps what was committed when it is ended without a goodbye.
    """
    owner = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="sonoloop-pg-"))
    port = free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments],
            user=owner,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    try:
        if owner:
            shutil.chown(folder, owner)
        data = str(folder / "data")
        run(
            "initdb",
            "-D",
            data,
            "-U",
            "sonoloop",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )
        options = (
            f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} {'' if is_durable else DURABILITY_OFF}"
        )
        run("pg_ctl", "start", "-w", "-D", data, "-o", options, "-l", str(folder / "log"))
        try:
            yield f"postgresql+pg8000://sonoloop@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "stop", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
