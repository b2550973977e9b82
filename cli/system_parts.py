"""Programs that the tests use and Python packages do not bring: where they are, and how they come."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_BROWSERS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
POSTGRES_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)


@dataclass(frozen=True)
class Part:
    """A program by its name, the system package that holds it, and the way to find it."""

    name: str
    package: str
    find: Callable[[], Path | None]


def find_chromium() -> Path | None:
    """The browser that Playwright drives; None where there is none."""
    named = [shutil.which(name) for name in BROWSERS]
    mac = [path for path in MAC_BROWSERS if Path(path).exists()]
    return next((Path(path) for path in (*named, *mac) if path), None)


def find_postgres() -> Path | None:
    """The folder of the newest PostgreSQL server's `initdb` and `pg_ctl`; None where there is none."""
    folders = [folder for pattern in POSTGRES_FOLDERS for folder in Path("/").glob(pattern)]
    folders.sort(key=_server_version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).parent)
    return next((folder for folder in folders if _is_server(folder)), None)


def _server_version(folder: Path) -> int:
    return int("".join(filter(str.isdigit, folder.parent.name)) or 0)


def _is_server(folder: Path) -> bool:
    return (folder / "initdb").exists() and (folder / "pg_ctl").exists()


def find_redis() -> Path | None:
    """A Redis or Valkey server of the system, beside the one that comes with our packages; None: none."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


def find_compose() -> Path | None:
    """The program that reads docker-compose.yml; it needs no Docker for that. None where there is none."""
    found = shutil.which("docker-compose")
    return Path(found) if found else None


def find_caddy() -> Path | None:
    """The proxy that docker-compose.yml puts in front of Label Studio; None where there is none."""
    found = shutil.which("caddy")
    return Path(found) if found else None


CHROMIUM = Part("Chromium", "chromium", find_chromium)
POSTGRES = Part("PostgreSQL", "postgresql", find_postgres)
REDIS = Part("Redis", "redis-server", find_redis)
COMPOSE = Part("Docker Compose", "docker-compose", find_compose)
CADDY = Part("Caddy", "caddy", find_caddy)
PARTS = (CHROMIUM, POSTGRES, REDIS, COMPOSE, CADDY)
"""All that `sonoloop test` brings."""


def is_ci() -> bool:
    """Whether a build server runs this (CI=true): there a missing part is a failure, elsewhere a skip."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def bring(parts: Sequence[Part]) -> list[Part]:
    """Install what is missing where that is allowed (root and apt); return what is missing still."""
    missing = [part for part in parts if part.find() is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        _install([part.package for part in missing])
    return [part for part in missing if part.find() is None]


def _install(packages: Sequence[str]) -> None:
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]
    # One by one: a name that the system does not know would keep all the others away.
    installs = [["install", "--no-install-recommends", package] for package in packages]
    for command in (["update"], *installs):
        subprocess.run([*apt, *command], stdout=subprocess.DEVNULL, check=False)


def explain_missing(part: Part) -> str:
    """One line for a person: got, need, what to do."""
    consequence = "this run fails without it" if is_ci() else "the tests that use it are skipped"
    return f"{part.name}: not found; install the system's package `{part.package}` ({consequence})"
