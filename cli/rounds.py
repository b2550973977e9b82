"""`round`, `cancel`, `promote` and `rollback`: a person's hand on the rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from adapters.bootstrap import Container
from cli.home import choose_project, open_home
from cli.markup import escape
from cli.round_words import describe_round, with_state
from cli.services import has_workers
from cli.shell import console, say
from loop.errors import BadRequest, Unavailable
from loop.planning import plan
from loop.records import ModelVersion, Project
from loop.rounds import cancel
from loop.serving import relay_outbox
from loop.training_records import Round
from loop.versions import promote, rollback

LOOK_SECONDS = 0.5


def start_round(home: Path | None, project_id: int, wait: bool) -> None:
    """Plan a round by force. Raises BadRequest when nothing may teach or one is live."""
    with open_home(home) as container:
        project = _project(container, project_id)
        planned = plan(container.round_ports, container.round_rules, project.id, is_forced=True)
        if planned.round is None:
            raise BadRequest(planned.trigger.reason, "labels and no live round", "look at ./sonoloop status")
        say(console, f"round {planned.round.number} is planned: {escape(planned.trigger.reason)}")
        if not has_workers(container.settings):
            say(console, "[yellow]it waits: the services are stopped, ./sonoloop up starts them[/]")
        elif wait:
            row = _watch(container, planned.round)
            say(console, f"round {row.number} {escape(_state_of(row))}")


def cancel_round(home: Path | None, project_id: int) -> None:
    """Ask the live round to stop and wait until it has; without a worker that is when its lease runs out."""
    with open_home(home) as container:
        project = _project(container, project_id)
        row = cancel(container.round_ports, project.id)
        if row is None:
            console.print("no round is in progress")
            return
        ask_again = partial(cancel, container.round_ports, project.id)
        row = _watch(container, row, _nothing if has_workers(container.settings) else ask_again)
        say(console, f"round {row.number} {row.state.value}; its labels stay for the next one")


def promote_version(home: Path | None, project_id: int, name: str) -> None:
    """Let a version serve. Raises NotFound, also for weights that are gone, BadWeights."""
    with open_home(home) as container:
        project = _project(container, project_id)
        _follow(container, promote(container.round_ports, container.storage, project.id, name))


def roll_back(home: Path | None, project_id: int) -> None:
    """Let the predecessor serve again. Raises BadRequest when there is none, NotFound, BadWeights."""
    with open_home(home) as container:
        project = _project(container, project_id)
        _follow(container, rollback(container.round_ports, container.storage, project.id))


def _nothing() -> None: ...


def _watch(container: Container, row: Round, at_each_look: Callable[[], object] = _nothing) -> Round:
    """Show a round's progress until it has ended, and return it."""
    with console.status("waiting for a worker") as spinner:
        while row.state.is_live:
            spinner.update(f"round {row.number} {escape(_state_of(row))}")
            time.sleep(LOOK_SECONDS)
            at_each_look()
            with container.database.read() as uow:
                row = uow.rounds.get(row.id)
    return row


def _state_of(row: Round) -> str:
    return with_state(row.state.value, describe_round(row))


def _project(container: Container, project_id: int) -> Project:
    with container.database.read() as uow:
        return choose_project(uow, project_id)


def _follow(container: Container, version: ModelVersion) -> None:
    """Switch Label Studio over here and now, so that the person need not wait for a worker."""
    try:
        relay_outbox(container.serving_ports)
    except Unavailable:
        say(console, f"{version.name} serves; Label Studio follows as soon as it runs (./sonoloop up)")
        return
    say(console, f"{version.name} serves; its order in the queue is brought up to date in the background")
