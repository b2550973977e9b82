"""`sonoloop status` and `review`: what runs, what is labelled, what trains, what needs a person."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adapters.services.control import ServiceStatus, status
from adapters.settings import Settings
from cli.home import choose_project, open_home
from cli.shell import console
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
    set_aside: int
    rounds: tuple[Round, ...]


def show_status(home: Path | None, watch: bool) -> None:
    """Print the state of a home, once or again and again until Ctrl-C."""
    with open_home(home) as container:

        def look() -> RenderableType:
            with container.database.read() as uow:
                projects = [read_project(uow, project) for project in uow.projects.list()]
            return render(container.settings, status(container.settings), projects)

        if not watch:
            console.print(look())
            return
        with Live(look(), console=console, refresh_per_second=2) as live:
            while True:
                time.sleep(LOOK_SECONDS)
                live.update(look())


def show_review(home: Path | None, project_id: int) -> None:
    """Print the tasks that two readers skipped, and every input that was set aside with its reason."""
    with open_home(home) as container, container.database.read() as uow:
        project = choose_project(uow, project_id)
        frames, aside = uow.frames.for_review(project.id), uow.marks.list_set_aside()
    console.print(f"{len(frames)} frames were skipped by two readers")
    for frame in frames:
        console.print(f"  task {frame.task_id}, frame {frame.digest[:12]}, clip {frame.clip}")
    console.print(f"{len(aside)} inputs were set aside")
    for item in aside:
        console.print(f"  {item.kind} {item.subject[:16]}: {escape(item.message)}")


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
        set_aside=len(uow.marks.list_set_aside()),
        rounds=tuple(uow.rounds.list(project.id)[-ROUNDS_SHOWN:]),
    )


def render(settings: Settings, services: list[ServiceStatus], projects: list[ProjectStatus]) -> Group:
    """Everything as one block for the terminal."""
    is_up = any(service.state == "running" for service in services)
    hint = "" if is_up else "  (./sonoloop up starts them)"
    line = "  ".join(f"{each.name} [{COLOURS[each.state]}]{each.state}[/]" for each in services)
    parts: list[RenderableType] = [Text.from_markup(f"[bold]services[/]  {line}{hint}")]
    if is_up:
        parts.append(Text.from_markup(f"[bold]address[/]   {settings.effective_public_url}"))
    if not projects:
        parts.append(Text("no project yet: ./sonoloop up --frames DIR makes one"))
    for each in projects:
        parts += [Text(""), *_render_project(each)]
    return Group(*parts)


def _render_project(each: ProjectStatus) -> list[RenderableType]:
    what = ", ".join(f"{count} {name}" for name, count in each.decisions.items()) or "nothing yet"
    lines = [
        f"[bold]project {each.project.id}[/]  {escape(each.project.title)} ({escape(', '.join(each.project.classes))})",
        f"  labelled {each.labelled} of {each.frames} frames ({what}); serving {each.champion}",
    ]
    if each.for_review or each.set_aside:
        lines.append(
            f"  [yellow]{each.for_review} frames to review, {each.set_aside} inputs set aside[/] (./sonoloop review)"
        )
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
    return describe_progress(row.progress) or row.reason


def describe_progress(progress: Mapping[str, Any]) -> str:
    """Epoch, loss, Dice and time to go, as far as they are known; empty before the first epoch."""
    if not progress.get("epochs"):
        return ""
    parts = [f"epoch {progress.get('epoch', 0)}/{progress['epochs']}"]
    parts += [
        f"{name} {progress[key]:.3f}"
        for key, name in (("loss", "loss"), ("dice", "Dice"))
        if progress.get(key) is not None
    ]
    if progress.get("eta_seconds") is not None:
        parts.append(f"{progress['eta_seconds']:.0f} s to go")
    return ", ".join(parts)
