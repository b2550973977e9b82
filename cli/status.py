"""`sonoloop status`: what runs, what is labelled, what trains."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from adapters.home_files import SECRETS_FILE
from adapters.services.control import ServiceStatus, status
from adapters.settings import Settings
from cli.deletions import describe_mass_deletion, way_back
from cli.elsewhere import require_noted_database, require_noted_label_studio
from cli.home import find_home
from cli.markup import escape
from cli.round_words import describe_round
from cli.shell import console, say
from cli.wording import counted
from db import SqlDatabase
from loop.burials import MassDeletion, find_mass_deletion
from loop.errors import NotFound, SonoloopError
from loop.export import exported_decision
from loop.judging import has_held_out
from loop.ports import UnitOfWork
from loop.records import Decision, Project
from loop.returns import list_returns
from loop.splits import MIN_GROUPS_TO_HOLD_OUT
from loop.training_records import Round
from loop.unreadable import TODO, UnreadableLabel, count_unreadable, unreadable_labels

LOOK_SECONDS = 2.0
ROUNDS_SHOWN = 5
YOUNG_SECONDS = 240.0
"""So long after its start a service may not answer yet."""
NOTHING_HELD_OUT = (
    "no recording is held out, so every new model serves without being compared: "
    f"./sonoloop add brings more recordings (from {MIN_GROUPS_TO_HOLD_OUT} on some are held out)"
)
Part = str | Table
"""A line of markup or a table."""
COLOURS = {"running": "green", "starting": "yellow", "stopping": "yellow", "stopped": "dim", "failed": "red"}


@dataclass(frozen=True)
class ProjectStatus:
    """One project in figures: `decisions` counts the labelled frames by what gave the current mask of each,
    `skipped` those that were skipped and have none, `left_out` those that no round uses because of
    `unreadable` labels; of the `untaught` classes the champion saw none drawn. Without a held-out frame
    (`has_held_out`) no model can be compared with the champion; `deletion` is told until its labels are back.
    """

    project: Project
    champion: str
    frames: int
    labelled: int
    decisions: Mapping[str, int]
    for_review: int
    rounds: tuple[Round, ...]
    skipped: int = 0
    untaught: tuple[str, ...] = ()
    unreadable: tuple[UnreadableLabel, ...] = ()
    left_out: int = 0
    has_held_out: bool = True
    deletion: MassDeletion | None = None


@dataclass(frozen=True)
class HomeStatus:
    """One look at a home; `problem` says why its database could not be read, `is_empty` that it has none,
    `lack` why Label Studio would not be started.
    """

    services: Sequence[ServiceStatus]
    projects: Sequence[ProjectStatus] = ()
    set_aside: int = 0
    problem: str = ""
    is_empty: bool = False
    lack: str = ""


def show_status(home: Path | None, watch: bool) -> int:
    """Print the state of a home, once or again and again until Ctrl-C; gives the exit code, 1 where the
    database could not be read. Raises NotFound.
    """
    settings = find_home(home)
    first = read_home(settings)
    parts = render(settings, first)
    if not watch:
        show(console, parts)
        return 1 if first.problem else 0
    with suppress(KeyboardInterrupt), Live(Group(*parts), console=console, refresh_per_second=2) as live:
        while True:
            time.sleep(LOOK_SECONDS)
            live.update(Group(*render(settings, read_home(settings))))
    return 0


def show(to: Console, parts: Sequence[Part]) -> None:
    """Print lines unbroken and tables in columns."""
    for part in parts:
        if isinstance(part, str):
            say(to, part)
        else:
            to.print(part)


def read_home(settings: Settings) -> HomeStatus:
    """Look at services and database; neither needs the other."""
    return replace(_read_database(settings, look_at_services(settings)), lack=_lack(settings))


def _lack(settings: Settings) -> str:
    try:
        if settings.has_own_label_studio:
            require_noted_label_studio(settings)
    except NotFound as error:
        return error.message
    return ""


def _read_database(settings: Settings, services: Sequence[ServiceStatus]) -> HomeStatus:
    try:
        require_noted_database(settings)
        if not settings.database_url and not settings.database_file.exists():
            return HomeStatus(services, is_empty=True)
        # a look must not change the schema, so the database is not opened as the services open it
        with closing(SqlDatabase(settings.effective_database_url)) as database, database.read() as uow:
            projects = [read_project(uow, project) for project in uow.projects.list()]
            return HomeStatus(services, projects, len(uow.marks.list_set_aside()))
    except SonoloopError as error:
        return HomeStatus(services, problem=error.message)


def look_at_services(settings: Settings) -> list[ServiceStatus]:
    """What the supervisor says; but one whose process has just begun runs only once it answers."""
    states = status(settings)
    if not any(each.state == "running" and each.seconds < YOUNG_SECONDS for each in states):
        return states
    from adapters.services.readiness import look  # loads Celery, which a look at settled services needs not

    silent = {each.service for each in look(settings) if not each.is_ready}
    return [
        replace(each, state="starting") if each.state == "running" and each.name in silent else each
        for each in states
    ]


def read_project(uow: UnitOfWork, project: Project) -> ProjectStatus:
    """Gather one project's figures."""
    current = {mask.frame_id: mask.decision.value for mask in uow.masks.current(project.id)}
    latest = uow.masks.latest_of_all(project.id)
    skipped = {mask.frame_id for mask in latest if mask.decision is Decision.SKIPPED} - current.keys()
    champion = uow.models.get(project.champion_id) if project.champion_id is not None else None
    unreadable = tuple(unreadable_labels(uow, project.id))
    return ProjectStatus(
        project=project,
        champion=champion.name if champion else "none",
        frames=uow.frames.count(project.id),
        labelled=len(current),
        decisions=dict(sorted(Counter(current.values()).items())),
        for_review=len(uow.frames.for_review(project.id)),
        rounds=tuple(uow.rounds.list(project.id)[-ROUNDS_SHOWN:]),
        skipped=len(skipped),
        untaught=tuple(champion.metrics.get("absent", ())) if champion else (),
        unreadable=unreadable,
        has_held_out=has_held_out(uow, project.id),
        left_out=len(current.keys() & {label.frame.id for label in unreadable}),
        deletion=find_mass_deletion(latest, list_returns(uow), datetime.now(UTC)),
    )


def render(settings: Settings, home: HomeStatus) -> list[Part]:
    """Everything for the terminal, from top to bottom: lines of markup, and tables."""
    lines = _render_services(settings, home.services)
    if home.lack:
        lines.append(f"[yellow]Label Studio would not be started:[/] {escape(home.lack)}")
    if home.problem:
        lines.append(f"[red]the database cannot be read:[/] {escape(home.problem)}")
    elif home.is_empty:
        lines.append("no database in this home yet: ./sonoloop up makes it")
        lines.append("  one that is in PostgreSQL is found by SONOLOOP_DATABASE_URL, which is not set here")
    elif not home.projects:
        lines.append("no project yet: ./sonoloop up --frames DIR makes one")
    if home.set_aside:
        lines.append(f"[yellow]inputs set aside: {home.set_aside}[/]  (./sonoloop review lists them)")
    parts: list[Part] = [*lines]
    for each in home.projects:
        parts += ["", *_render_project(each)]
    return parts


def _render_services(settings: Settings, services: Sequence[ServiceStatus]) -> list[str]:
    states = "  ".join(f"{each.name} [{COLOURS[each.state]}]{each.state}[/]" for each in services)
    lines = [f"[bold]services[/]  {states}"]
    lines += [f"  {each.name}: {escape(each.detail)}" for each in services if each.detail]
    if not any(each.state in ("running", "starting") for each in services):
        return [*lines, "./sonoloop up starts them"]
    login = f"log in as {settings.admin_email}, password in {settings.root / SECRETS_FILE}"
    return [*lines, f"[bold]address[/]   {escape(f'{settings.effective_public_url}  ({login})')}"]


def _render_project(each: ProjectStatus) -> list[Part]:
    read = ", ".join(f"{count} {exported_decision(Decision(name))}" for name, count in each.decisions.items())
    skipped = f"{each.skipped} skipped" if each.skipped else ""
    what = "; ".join(part for part in (read, skipped) if part) or "nothing read yet"
    title, classes = escape(each.project.title), escape(", ".join(each.project.classes))
    lines: list[Part] = [
        f"[bold]project {each.project.id}[/]  {title} ({classes}), served by {each.champion}",
        f"  {each.labelled} of {counted(each.frames, 'frame')} labelled ({what})",
    ]
    if each.untaught:
        names = escape(", ".join(each.untaught))
        lines.append(f"  [yellow]no {names} in what {each.champion} learned from[/]: it draws none")
    if each.frames and not each.has_held_out:
        lines.append(f"  [yellow]{NOTHING_HELD_OUT}[/]")
    if each.for_review:
        skipped_twice = counted(each.for_review, "frame")
        lines.append(f"  [yellow]{skipped_twice} skipped by two readers[/]: ./sonoloop review")
    if each.unreadable:
        waiting = f"{count_unreadable(each.unreadable)}, labelled frames left out of rounds: {each.left_out}"
        lines.append(f"  [yellow]{waiting}[/]; {TODO}; ./sonoloop review says why")
    if each.deletion:
        todo = f"if that was not meant: {way_back(each.deletion, each.project.id)}"
        lines.append(f"  [yellow]{describe_mass_deletion(each.deletion)}[/]; {todo}")
    return [*lines, _rounds_table(each.rounds)] if each.rounds else lines


def _rounds_table(rounds: tuple[Round, ...]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for heading in ("round", "labels", "state", ""):
        table.add_column(heading)
    for row in rounds:
        table.add_row(str(row.number), str(row.label_count), row.state.value, escape(describe_round(row)))
    return table
