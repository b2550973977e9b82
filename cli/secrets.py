"""`secrets`: the env file of a deployment, written once and completed later."""

from __future__ import annotations

from pathlib import Path

from adapters.services.env_file import fill_env_file
from adapters.services.programs import PROJECT_ROOT
from cli.markup import escape
from cli.shell import console, say

EXAMPLE = PROJECT_ROOT / "deploy" / "sonoloop.env.example"
TARGET = PROJECT_ROOT / "deploy" / "sonoloop.env"


def write_secrets(path: Path | None) -> None:
    """Draw what is missing and say what to do next; no secret is printed. Raises Denied, NotFound."""
    path = path or TARGET
    drawn = fill_env_file(path, EXAMPLE)
    if not drawn:
        say(console, f"{escape(str(path))} holds every secret already; nothing was changed")
    else:
        say(console, f"{len(drawn)} secrets drawn into {escape(str(path))}, which only you may read")
    say(console, "  next   set SONOLOOP_LABEL_STUDIO_PUBLIC_URL there; back the file up")
    say(console, f"  start  docker compose --env-file {escape(str(path))} --profile cpu up --detach --build")
