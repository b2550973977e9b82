"""`sonoloop status` and `review`: what runs, what is labelled, what trains, what needs a person."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adapters.services.control import ServiceStatus, status
from adapters.settings import SECRETS_FILE, Settings
from cli.home import choose_project, find_home, open_home
from cli.shell import console, say
from db import SqlDatabase
from loop.errors import Unavailable
from loop.ports import UnitOfWork
from loop.records import Decision, Project, Round

LOOK_SECONDS = 2.0
ROUNDS_SHOWN = 5
COLOURS = {"running": "green", "starting": "yellow", "stopping": "yellow", "stopped": "dim", "failed": "red"}


@dataclass(frozen=True)
class ProjectStatus:
    """One project in figures: `decisions` counts the newest state of every annotation."""

    project: Project
    champion: str
    frames: int
    labelled: int
    decisions: Mapping[str, int]
    for_review: int
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class HomeStatus:
    """One look at a home; `problem` says why its database could not be read."""

    services: Sequence[ServiceStatus]
    projects: Sequence[ProjectStatus] = ()
    set_aside: int = 0
    problem: str = ""


def show_status(home: Path | None, watch: bool) -> None:
    """Print the state of a home, once or again and again until Ctrl-C. Raises NotFound."""
    settings = find_home(home)
    block = render(settings, read_home(settings))
    if not watch:
        console.print(block)
        return
    with suppress(KeyboardInterrupt), Live(block, console=console, refresh_per_second=2) as live:
        while True:
            time.sleep(LOOK_SECONDS)
            live.update(render(settings, read_home(settings)))


def show_review(home: Path | None, project_id: int) -> None:
    """Print the tasks that two readers skipped, and every input that was set aside with its reason."""
    with open_home(home) as container, container.database.read() as uow:
        project = choose_project(uow, project_id)
        frames, aside = uow.frames.for_review(project.id), uow.marks.list_set_aside()
    say(console, f"frames skipped by two readers: {len(frames)}")
    for frame in frames:
        say(console, f"  task {frame.task_id}, frame {frame.digest[:12]}, clip {frame.clip}")
    say(console, f"inputs set aside: {len(aside)}")
    for item in aside:
        say(console, f"  {item.kind} {item.subject[:16]}: {escape(item.message)}")


def read_home(settings: Settings) -> HomeStatus:
    """Look at services and database; neither needs the other."""
    services = status(settings)
    if not settings.database_url and not settings.database_file.exists():
        return HomeStatus(services)
    try:  # a look must not change the schema, so the database is not opened as the services open it
        with closing(SqlDatabase(settings.effective_database_url)) as database, database.read() as uow:
            projects = [read_project(uow, project) for project in uow.projects.list()]
            return HomeStatus(services, projects, len(uow.marks.list_set_aside()))
    except Unavailable as error:
        return HomeStatus(services, problem=error.message)


def read_project(uow: UnitOfWork, project: Project) -> ProjectStatus:
    """Gather one project's figures."""
    latest = uow.masks.latest_of_all(project.id)
    decisions = Counter(mask.decision.value for mask in latest if mask.decision is not Decision.DELETED)
    champion = uow.models.get(project.champion_id).name if project.champion_id is not None else "none"
    return ProjectStatus(
        project=project,
        champion=champion,
        frames=uow.frames.count(project.id),
        labelled=uow.masks.count_trainable(project.id),
        decisions=dict(sorted(decisions.items())),
        for_review=len(uow.frames.for_review(project.id)),
        rounds=tuple(uow.rounds.list(project.id)[-ROUNDS_SHOWN:]),
    )


def render(settings: Settings, home: HomeStatus) -> Group:
    """Everything as one block for the terminal."""
    lines = _render_services(settings, home.services)
    if home.problem:
        lines.append(f"[red]the database cannot be read:[/] {escape(home.problem)}")
    elif not home.projects:
        lines.append("no project yet: ./sonoloop up --frames DIR makes one")
    if home.set_aside:
        lines.append(f"[yellow]inputs set aside: {home.set_aside}[/]  (./sonoloop review lists them)")
    parts: list[RenderableType] = [Text.from_markup(line) for line in lines]
    for each in home.projects:
        parts += [Text(""), *_render_project(each)]
    return Group(*parts)


def _render_services(settings: Settings, services: Sequence[ServiceStatus]) -> list[str]:
    states = "  ".join(f"{each.name} [{COLOURS[each.state]}]{each.state}[/]" for each in services)
    lines = [f"[bold]services[/]  {states}"]
    lines += [f"  {each.name}: {escape(each.detail)}" for each in services if each.detail]
    if not any(each.state == "running" for each in services):
        return [*lines, "./sonoloop up starts them"]
    login = f"log in as {settings.admin_email}, password in {settings.root / SECRETS_FILE}"
    return [*lines, f"[bold]address[/]   {settings.effective_public_url}  ({escape(login)})"]


def _render_project(each: ProjectStatus) -> list[RenderableType]:
    what = ", ".join(f"{count} {name}" for name, count in each.decisions.items()) or "nothing read yet"
    title, classes = escape(each.project.title), escape(", ".join(each.project.classes))
    lines = [
        f"[bold]project {each.project.id}[/]  {title} ({classes}), served by {each.champion}",
        f"  {each.labelled} of {each.frames} frames labelled ({what})",
    ]
    if each.for_review:
        lines.append(f"  [yellow]{each.for_review} frames skipped by two readers[/]: ./sonoloop review")
    rows: list[RenderableType] = [Text.from_markup(line) for line in lines]
    return [*rows, _rounds_table(each.rounds)] if each.rounds else rows


def _rounds_table(rounds: tuple[Round, ...]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for heading in ("round", "labels", "state", ""):
        table.add_column(heading)
    for row in rounds:
        table.add_row(str(row.number), str(row.label_count), row.state.value, escape(describe_round(row)))
    return table


def describe_round(row: Round) -> str:
    """One line on a round: its progress while it lives, then the verdict or the error."""
    if row.verdict is not None:
        return row.verdict.reason
    if row.error and not row.state.is_live:
        return row.error
    if row.is_cancel_requested and row.state.is_live:
        return "is being cancelled"
    return describe_progress(row.progress) or row.reason


def describe_progress(progress: Mapping[str, Any]) -> str:
    """Phase, epoch, loss, Dice and time to go, as far as they are known; empty before the first one."""
    parts = [str(progress["phase"])] if progress.get("phase") else []
    if progress.get("epochs"):
        parts.append(f"epoch {progress.get('epoch', 0)}/{progress['epochs']}")
    for key, name in (("loss", "loss"), ("dice", "Dice")):
        if progress.get(key) is not None:
            parts.append(f"{name} {progress[key]:.3f}")
    if progress.get("eta_seconds") is not None:
        parts.append(f"{progress['eta_seconds']:.0f} s to go")
    return ", ".join(parts)
