"""`round`, `cancel`, `promote` and `rollback`: a person's hand on the rounds."""

from __future__ import annotations

import time
from pathlib import Path

from rich.markup import escape

from adapters.bootstrap import Container
from cli.home import choose_project, open_home
from cli.shell import console
from cli.status import describe_round
from loop.errors import BadRequest
from loop.planning import plan
from loop.records import ModelVersion, Project, Round
from loop.rounds import cancel
from loop.serving import relay_outbox
from loop.versions import promote, rollback

LOOK_SECONDS = 0.5


def start_round(home: Path | None, project_id: int, wait: bool) -> None:
    """Plan a round by force. Raises BadRequest when nothing may teach or one is live."""
    with open_home(home) as container:
        project = _project(container, project_id)
        planned = plan(container.round_ports, container.round_rules, project.id, is_forced=True)
        if planned.round is None:
            raise BadRequest(planned.trigger.reason, "labels and no live round", "look at ./sonoloop status")
        console.print(f"round {planned.round.number} is planned: {planned.trigger.reason}")
        if wait:
            row = watch_round(container, planned.round.id)
            console.print(f"round {row.number} {row.state.value}: {escape(describe_round(row))}")


def cancel_round(home: Path | None, project_id: int) -> None:
    """Ask the live round to stop and wait until it has."""
    with open_home(home) as container:
        row = cancel(container.round_ports, _project(container, project_id).id)
        if row is None:
            console.print("no round is in progress")
            return
        row = watch_round(container, row.id) if row.state.is_live else row
        console.print(f"round {row.number} {row.state.value}; its labels stay for the next one")


def promote_version(home: Path | None, project_id: int, name: str) -> None:
    """Let a version serve. Raises NotFound."""
    with open_home(home) as container:
        _follow(container, promote(container.round_ports, _project(container, project_id).id, name))


def roll_back(home: Path | None, project_id: int) -> None:
    """Let the predecessor serve again. Raises BadRequest when there is none."""
    with open_home(home) as container:
        _follow(container, rollback(container.round_ports, _project(container, project_id).id))


def watch_round(container: Container, round_id: int) -> Round:
    """Show a round's progress until it ends, and return it."""
    with console.status("waiting for a worker") as spinner:
        while True:
            with container.database.read() as uow:
                row = uow.rounds.get(round_id)
            if not row.state.is_live:
                return row
            spinner.update(f"round {row.number} {row.state.value}: {escape(describe_round(row))}")
            time.sleep(LOOK_SECONDS)


def _project(container: Container, project_id: int) -> Project:
    with container.database.read() as uow:
        return choose_project(uow, project_id)


def _follow(container: Container, version: ModelVersion) -> None:
    """Switch Label Studio over here and now, so that the person need not wait for a worker."""
    relay_outbox(container.serving_ports)
    console.print(f"{version.name} serves; its order in the queue is brought up to date in the background")
