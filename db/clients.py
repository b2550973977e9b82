"""PostgreSQL's own client programs, by which whole databases are copied and filled."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import URL, text

from adapters.environment import process_environment
from db.engine import looking
from loop.errors import BadInput, BadRequest, Unavailable

CONNECT_SECONDS = "10"
MOST_SAID = 200
CLIENT_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/*/bin")
LOST = re.compile(
    r"connection to server|could not connect to server|server closed the connection"
    r"|connection has been closed unexpectedly|no connection to the server"
)
"""What libpq says in the C locale of a connection that broke or never stood."""


def dump(address: URL, target: Path, *options: str) -> None:
    """Copy a database into a new file by pg_dump. Raises BadRequest without a fitting pg_dump, Unavailable,
    BadInput.
    """
    _require_fitting_client(address)
    always = ("--format=custom", "--no-owner", "--no-privileges")
    _run("pg_dump", address, *always, *options, "--file", str(target))


def load(address: URL, source: Path, application: str) -> None:
    """Fill a database from such a file: all of it or nothing. The server knows the program as `application`.

    Raises BadInput for a file that cannot be read or does not fit, BadRequest, Unavailable.
    """
    # Without comments: that on an extension is its owner's, which the server itself is.
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments")
    into = ("--dbname", address.database or "", str(source))
    _run("pg_restore", address, *options, *into, application=application)


def _require_fitting_client(address: URL) -> None:
    """An older pg_dump refuses a newer server, in words that few understand."""
    with looking(address.render_as_string(hide_password=False)) as connection:
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000
    said = subprocess.run(
        [_client("pg_dump"), "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"(\d+)", said)
    client = int(found[1]) if found else 0
    if client < server:
        raise BadRequest(
            f"pg_dump {client} for a PostgreSQL server {server}",
            f"pg_dump {server} or newer",
            f"install the system's package postgresql-client-{server}",
        )


def _run(name: str, address: URL, *words: str, application: str = "sonoloop") -> None:
    """Call a client program; where and as whom stand in its environment, which nobody else can read."""
    place = {
        "PGHOST": address.host or "localhost",
        "PGPORT": str(address.port or 5432),
        "PGUSER": address.username or "",
        "PGPASSWORD": str(address.password or ""),
        "PGDATABASE": address.database or "",
        "PGCONNECT_TIMEOUT": CONNECT_SECONDS,
        "PGAPPNAME": application,
        "LC_ALL": "C",  # what it says of a lost connection is read here
    }
    done = subprocess.run(
        [_client(name), "--no-password", *words],
        env=process_environment({key: value for key, value in place.items() if value}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0][:MOST_SAID]
        kind = Unavailable if _is_lost(name, address, done.stderr) else BadInput
        raise kind(f"{name} that failed: {said}", "a server and a dump that fit", "mend that, try again")


def _is_lost(name: str, address: URL, said: str) -> bool:
    """Whether the server was in the way: both programs end with 1 whatever it was. So the server is asked
    itself, whose answers carry codes; one that was away for a moment, the program's own lines tell.
    """
    try:
        with looking(address.render_as_string(hide_password=False)):
            pass
    except Unavailable:
        return True
    return any(LOST.search(line) for line in said.splitlines() if line.startswith(f"{name}: "))


def _client(name: str) -> str:
    """The program of that name on the PATH, else the newest that the system holds. Raises BadRequest."""
    on_path = shutil.which(name)
    if on_path:
        return on_path
    folders = [folder for pattern in CLIENT_FOLDERS for folder in Path("/").glob(pattern)]
    held = [folder / name for folder in sorted(folders, key=_version_in) if (folder / name).exists()]
    if not held:
        raise BadRequest(
            f"no {name} on this machine",
            "PostgreSQL's client programs, of the server's version or newer",
            "install them (Debian, Ubuntu: apt install postgresql-client)",
        )
    return str(held[-1])


def _version_in(folder: Path) -> int:
    return int("".join(filter(str.isdigit, folder.parent.name)) or 0)
