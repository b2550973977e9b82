"""`sonoloop label`: what was deleted in Label Studio, and bringing it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from adapters.bootstrap import Container
from cli.home import choose_project, open_home
from cli.markup import escape
from cli.services import require_label_studio
from cli.shell import console, progress, say
from loop.burials import BuriedLabel, buried_labels
from loop.errors import BadRequest, SonoloopError
from loop.ingest import reconcile
from loop.records import Project
from loop.restoring import Restored, Return, restore_labels

REASONS_SHOWN = 5


def show_deleted(home: Path | None, project_id: int) -> None:
    """Print how many labels were deleted, by the day and by who had drawn them."""
    with open_home(home) as container, container.database.read() as uow:
        buried = buried_labels(uow, choose_project(uow, project_id).id)
    if not buried:
        say(console, "no label is missing that was deleted in Label Studio")
        return
    console.print(_by_day_and_reader(buried))
    say(console, f"deleted labels: {len(buried)}; the reader is who drew them, not who deleted them")
    say(console, "  ./sonoloop label restore --since DAY brings back what was deleted from that day on")


def restore_deleted(
    home: Path | None, project_id: int, since: datetime | None, tasks: Sequence[int], is_all: bool
) -> None:
    """Bring labels back, with progress, and say what became of them.

    Raises BadRequest where nothing says which, Unavailable without Label Studio.
    """
    if since is None and not tasks and not is_all:
        raise BadRequest(
            "nothing that says which labels",
            "--since TIME, --task NUMBER or --all",
            "./sonoloop label deleted lists what was deleted, and when",
        )
    with open_home(home) as container:
        require_label_studio(container.settings)
        with container.database.read() as uow:
            project = choose_project(uow, project_id)
        _follow(container, project)
        with container.database.read() as uow:
            buried = choose(buried_labels(uow, project.id), since, tasks)
        restored = _restore(container, project, buried)
        _follow(container, project)
    report(restored)


def choose(buried: Sequence[BuriedLabel], since: datetime | None, tasks: Sequence[int]) -> list[BuriedLabel]:
    """Those that were deleted from `since` on, which is in UTC, on one of the `tasks`; None and [] leave
    none out.
    """
    begin = None if since is None else since.replace(tzinfo=UTC)
    return [
        each
        for each in buried
        if (begin is None or each.at >= begin) and (not tasks or each.frame.task_id in tasks)
    ]


def _follow(container: Container, project: Project) -> None:
    with console.status("looking at Label Studio for what is there"):
        reconcile(container.ingest_ports, project.id)


def _restore(container: Container, project: Project, buried: Sequence[BuriedLabel]) -> Restored:
    columns = (TextColumn("bringing labels back"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress(*columns) as bars:
        task = bars.add_task("frames", total=None)
        return restore_labels(
            container.restore_ports,
            project.id,
            buried,
            lambda done, total: bars.update(task, completed=done, total=total),
        )


def report(restored: Restored) -> None:
    """Say what became of the labels. Raises SonoloopError where any could not be brought back."""
    counts = [f"{restored.labels[each]} {each.value}" for each in Return if restored.labels[each]]
    say(console, f"labels: {', '.join(counts) or '0 to bring back'}")
    if restored.tasks:
        say(console, f"  tasks made again: {restored.tasks}")
    if restored.under_first_account:
        whose = "which is the reader now where Label Studio does not know the former one"
        say(console, f"  under the first account: {restored.under_first_account}, {whose}")
    for reason in list(dict.fromkeys(restored.reasons))[:REASONS_SHOWN]:
        say(console, f"  [yellow]refused[/] {escape(reason)}")
    if restored.labels[Return.REFUSED]:
        raise SonoloopError(
            f"{restored.labels[Return.REFUSED]} labels that could not be brought back",
            "all of them",
            "by the reasons above; the same command again tries these alone",
        )


def _by_day_and_reader(buried: Sequence[BuriedLabel]) -> Table:
    counts = Counter((each.at.astimezone(UTC).date(), each.tombstone.reader_id or 0) for each in buried)
    gone = Counter(
        (each.at.astimezone(UTC).date(), each.tombstone.reader_id or 0)
        for each in buried
        if each.frame.task_id is None
    )
    table = Table(box=None, padding=(0, 2))
    for heading in ("deleted (UTC)", "reader", "labels", "task gone too"):
        table.add_column(heading)
    for key in sorted(counts):
        day, reader = key
        name = f"reader-{reader}" if reader else "unknown"
        table.add_row(day.isoformat(), name, str(counts[key]), str(gone[key]))
    return table
