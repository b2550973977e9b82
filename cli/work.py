"""`up`, `add` and `export`: a department's everyday commands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters.bootstrap import Container
from adapters.environment import load_settings
from adapters.formats.dataset import write_dataset
from adapters.formats.truth import parse_classes
from adapters.home_files import SECRETS_FILE
from adapters.label_studio.users import invitation_link, stream_link
from adapters.settings import Settings
from cli.drawing import wait_until_drawn
from cli.home import choose_project, has_home, is_work, open_home
from cli.intake import look_ahead, require_folder, take_in
from cli.markup import escape
from cli.project import ProjectRequest, connect_project, kept_recipe, label_studio_id, make_project
from cli.services import Ports, holds_projects, require_label_studio, started_home, wait_until_ready
from cli.shell import console, progress, say
from loop.errors import BadRequest, NotFound, SonoloopError
from loop.export import gather_export
from loop.ingest import reconcile
from loop.records import Project
from loop.unreadable import TODO, count_unreadable


@dataclass(frozen=True)
class WorkPlan:
    """What `up` asks of a project; None leaves a choice open: for a new project the default is taken."""

    classes: str | None = None
    prior: str | None = None
    weights: str | None = None
    recipe: str | None = None
    size: int | None = None
    title: str | None = None

    def asked(self) -> dict[str, Any]:
        """The choices that were made."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def to_request(self) -> ProjectRequest:
        """What to make a new project from. Raises BadRequest for a choice that is impossible."""
        chosen = DEFAULTS | self.asked()
        settings = {
            "kind": "work",
            "plan": chosen,
            "prior": chosen["prior"],
            "recipe": kept_recipe(chosen["recipe"], chosen["size"]),
            "size": chosen["size"],
        }
        request = ProjectRequest(
            chosen["title"], parse_classes(chosen["classes"]), chosen["weights"], settings
        )
        request.check()
        return request

    def check_against(self, project: Project) -> None:
        """Raises BadRequest for a choice that the project was made without: it would have no effect."""
        made_with = project.settings.get("plan", {})
        for name, value in self.asked().items():
            if value != made_with.get(name, value):
                raise BadRequest(
                    f"--{name} {value} for a project that was made with {made_with[name]}",
                    "the same choice, or none",
                    "leave it out, or make another project in another --home",
                    project=project.id,
                )


DEFAULTS = asdict(WorkPlan("Vein", "", "base", "auto", 0, "Sonoloop"))


def bring_up(
    home: Path | None,
    ports: Ports,
    frames: Path | None,
    plan: WorkPlan,
    is_independent: bool = False,
    is_login_wanted: bool = False,
) -> None:
    """Start everything, put Label Studio's side of the project right, and take frames in where any are given.

    The first frames make the project; password and invitation are printed when the home is made, later where
    they are wanted. Raises BadRequest before anything starts for an impossible wish.
    """
    request = plan.to_request()
    shows_login = is_login_wanted or is_about_to_be_made(load_settings(home, **ports))
    if frames is not None:
        require_folder(frames)

    def check(settings: Settings) -> None:
        if frames is not None and not holds_projects(settings):
            request.check(settings)

    with started_home(home, ports, check) as container:
        with container.database.read() as uow:
            projects = sorted(uow.projects.list(), key=is_work)
        _check_projects(plan, projects, frames)
        wait_until_ready(container.settings)
        if frames is not None and not projects:
            projects = [make_project(container, request)]
        connected = _connect_all(container, projects)
        if frames is not None:
            take_in(container, connected[-1], frames, is_independent=is_independent)
            wait_until_drawn(container, connected[-1])
        if not connected:
            console.print("everything runs; ./sonoloop up --frames DIR makes a project")
        for project in [each for each in connected if is_work(each)] or connected:
            print_address(container, project, shows_login)


def _check_projects(plan: WorkPlan, projects: list[Project], frames: Path | None) -> None:
    """Raises BadRequest for a wish that the home's projects, demos first, do not go with."""
    for project in filter(is_work, projects):
        plan.check_against(project)
    if frames is not None and projects and not is_work(projects[-1]):
        raise BadRequest(
            "frames of your own for the home of a demo",
            "a home of their own, without the demo's project and its simulated reader",
            "./sonoloop down, then ./sonoloop up --home work --frames DIR, and --home work from then on",
        )


def is_about_to_be_made(settings: Settings) -> bool:
    """Whether the home is yet to draw the password of its first account; a deployment was given one."""
    return settings.services == "here" and not (settings.root / SECRETS_FILE).exists()


def _connect_all(container: Container, projects: list[Project]) -> list[Project]:
    """Those whose side in Label Studio is right now, demos first. A project that was deleted there is told,
    and keeps no other from its readers; the newest that is no demo is the one that commands mean, so it must
    be there.

    Raises NotFound where that one was deleted.
    """
    connected = []
    for project in projects:
        try:
            connected.append(connect_project(container, project))
        except NotFound as exc:
            if project is projects[-1] and is_work(project):
                raise
            say(console, f"passed over: got {escape(exc.got)}; {escape(exc.todo)}")
    return connected


def foresee_up(home: Path | None, folder: Path, plan: WorkPlan, is_independent: bool = False) -> None:
    """Say what a folder would become by `bring_up`, and store and start nothing. There need be no project
    yet, nor a home. Raises BadRequest for an impossible wish before anything is said.
    """
    request = plan.to_request()
    require_folder(folder)
    if not has_home(home):
        request.check(load_settings(home))
        look_ahead(None, None, folder, is_independent=is_independent)
        return
    with open_home(home) as container:
        with container.database.read() as uow:
            projects = sorted(uow.projects.list(), key=is_work)
        _check_projects(plan, projects, folder)
        if not projects:
            request.check(container.settings)
        look_ahead(container, projects[-1] if projects else None, folder, is_independent=is_independent)


def foresee_added(home: Path | None, folder: Path, project_id: int, is_independent: bool = False) -> None:
    """Say what a folder would become by `add_folder`, and store nothing. Raises BadRequest, NotFound."""
    require_folder(folder)
    with open_home(home) as container:
        with container.database.read() as uow:
            project = choose_project(uow, project_id)
        look_ahead(container, project, folder, is_independent=is_independent)


def add_folder(home: Path | None, folder: Path, project_id: int, is_independent: bool = False) -> None:
    """Add frames to a project of a running home. Raises BadRequest, NotFound, Unavailable."""
    require_folder(folder)
    with open_home(home) as container:
        with container.database.read() as uow:
            project = choose_project(uow, project_id)
        require_label_studio(container.settings)
        take_in(container, project, folder, is_independent=is_independent)


def export_dataset(home: Path | None, folder: Path, project_id: int) -> None:
    """Write the labelled dataset into a new folder. Raises BadRequest when nothing is labelled."""
    with open_home(home) as container:
        with container.database.read() as uow:
            project = choose_project(uow, project_id)
        _catch_up(container, project)
        write_export(container, project, folder)


def _catch_up(container: Container, project: Project) -> None:
    """Mirror what was submitted a moment ago, or say that this cannot be done."""
    try:
        with console.status("looking at Label Studio for the newest labels"):
            reconcile(container.ingest_ports, project.id)
    except SonoloopError as exc:
        say(console, f"[yellow]labels as they were copied last[/], because of {escape(exc.message)}")


def write_export(container: Container, project: Project, folder: Path) -> None:
    """Gather and write, with progress; then say which labels are not in it as they were last saved."""
    with container.database.read() as uow:
        export = gather_export(uow, project.id, seed=container.settings.seed)
    with progress() as bars:
        task = bars.add_task("exporting", total=len(export.frames))
        written = write_dataset(
            export,
            container.storage,
            folder,
            lambda done, _: bars.update(task, completed=done),
            container.settings.root,
        )
    frames = f"{written.frames} frames ({written.empty_frames} without a region)"
    say(console, f"{frames} and {written.annotations} annotations in {escape(str(folder))}")
    if export.unreadable:
        marked = f"frames marked may_be_outdated: {len(export.outdated())}"
        say(console, f"[yellow]{count_unreadable(export.unreadable)}[/], {marked}; {TODO}")


def print_address(container: Container, project: Project, shows_login: bool) -> None:
    """Where a reader works and how to log in: password and invitation themselves, or how to come by them.

    Outputs are kept in logs and seen by others, so that both are printed when somebody needs them alone.
    """
    settings, public_url = container.settings, container.settings.effective_public_url
    address = stream_link(public_url, label_studio_id(project))
    say(console, f"\n[bold]{escape(project.title)}[/]  {escape(address)}")
    if shows_login:
        login = f"{settings.admin_email}  {settings.admin_password.get_secret_value()}"
        invitation = invitation_link(container.label_studio_api, public_url)
    else:
        login = f"{settings.admin_email}, password in {_place_of_password(settings)}"
        invitation = "./sonoloop up --show-login prints the link"
    say(console, f"  login       {escape(login)}")
    say(console, f"  new reader  {escape(invitation)}")


def _place_of_password(settings: Settings) -> str:
    file = settings.root / SECRETS_FILE
    return str(file) if file.exists() else "SONOLOOP_ADMIN_PASSWORD, where the services have theirs"
