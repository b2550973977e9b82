"""`up`, `add`, `export` and `down`: a department's everyday commands."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.progress import Progress

from adapters.bootstrap import Container
from adapters.formats.dataset import write_dataset
from adapters.formats.truth import parse_classes
from adapters.label_studio.users import invitation_link, stream_link
from adapters.services.control import stop
from adapters.settings import load_settings
from cli.home import DEMO, choose_project, open_home
from cli.intake import take_in
from cli.project import ProjectRequest, connect_project, make_project
from cli.services import running_home
from cli.shell import console
from loop.export import gather_export
from loop.records import Project


def bring_up(
    home: Path | None,
    frames: Path | None,
    classes: str,
    prior: str,
    weights: str,
    recipe: str,
    size: int,
    title: str,
) -> None:
    """Start everything; make the project when there is none and frames are given; put Label Studio's side right."""
    settings = {"kind": "work", "prior": prior, "recipe": "" if recipe == "auto" else recipe, "size": size}
    request = ProjectRequest(title, parse_classes(classes), weights, settings)
    request.check()
    with running_home(home) as container:
        with container.database.read() as uow:
            projects = [each for each in uow.projects.list() if each.settings.get("kind") != DEMO]
        if frames is not None and not projects:
            projects = [make_project(container, request)]
        connected = [connect_project(container, project) for project in projects]
        if frames is not None:
            take_in(container, connected[-1], frames)
        if not connected:
            console.print("everything runs; ./sonoloop up --frames DIR makes a project")
        for project in connected:
            print_address(container, project)


def add_folder(home: Path | None, folder: Path, project_id: int) -> None:
    """Add frames to a project of a running home."""
    with open_home(home) as container:
        with container.database.read() as uow:
            project = choose_project(uow, project_id)
        take_in(container, project, folder)


def export_dataset(home: Path | None, folder: Path, project_id: int) -> None:
    """Write the labelled dataset into a new folder. Raises BadRequest when nothing is labelled or it holds something."""
    with open_home(home) as container:
        with container.database.read() as uow:
            project = choose_project(uow, project_id)
        write_export(container, project, folder)


def write_export(container: Container, project: Project, folder: Path) -> None:
    """Gather and write, with progress."""
    with container.database.read() as uow:
        export = gather_export(uow, project.id, seed=container.settings.seed)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("exporting", total=len(export.frames))
        written = write_dataset(
            export, container.storage, folder, lambda done, total: progress.update(task, completed=done)
        )
    console.print(
        f"{written.frames} frames ({written.empty_frames} empty), {written.annotations} annotations in {escape(str(folder))}"
    )


def take_down(home: Path | None) -> None:
    """Stop every service of the home."""
    stopped = stop(load_settings(home))
    console.print("stopped; all data stay" if stopped else "nothing was running")


def print_address(container: Container, project: Project) -> None:
    """Where a reader works and how to log in; the password stands in the home's secrets file as well."""
    settings = container.settings
    assert project.label_studio_id is not None
    console.print(
        f"\n[bold]{escape(project.title)}[/]  {stream_link(settings.effective_public_url, project.label_studio_id)}"
    )
    console.print(f"  login       {settings.admin_email}  {settings.admin_password.get_secret_value()}")
    link = invitation_link(container.label_studio_api, settings.effective_public_url)
    console.print(f"  new reader  {link}", soft_wrap=True)
