"""Starting the services of a home and waiting for them, in sight of the person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from adapters.bootstrap import Container, build
from adapters.environment import label_studio_database, load_settings
from adapters.home_files import SECRETS_FILE, remember_settings
from adapters.services.control import start, status
from adapters.services.programs import LABEL_STUDIO, REDIS
from adapters.services.readiness import Readiness, wait_ready
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.elsewhere import note_databases, projects_in, require_noted_databases
from cli.home import warn_of_unknown
from cli.placing import require_restored
from cli.shell import console
from db import upgrade
from db.filling import require_whole
from loop import full_looks
from loop.errors import BadRequest, NotFound, Unavailable

Ports = Mapping[str, int]
"""Ports that a person chose, by the name of their setting; they are kept in the home."""


@contextmanager
def started_home(
    home: Path | None, ports: Ports, check: Callable[[Settings], None] | None = None
) -> Iterator[Container]:
    """Make the home where it is missing and start everything, without waiting; let go of it at the end.
    `check` may refuse, by raising, before anything is made or started.

    Raises BadRequest for a busy port, or for services that run with other settings; NotFound for secrets that
    are gone from a home with data in it, or for the address of one of its databases; Conflict for what a
    restoration has not brought to its end.
    """
    settings = load_settings(home, **ports)
    require_public_address(settings)
    require_noted_databases(settings)
    require_restored(settings)
    if settings.services == "elsewhere":
        warn_of_unknown(settings)
        if check:
            check(settings)
        upgrade(settings.effective_database_url)
        note_databases(settings)
        with closing(build(settings)) as container:
            yield container
        return
    for url in (settings.effective_database_url, label_studio_database(settings.root)):
        require_whole(url)  # before the secrets, which come last: until then theirs are not lost
    require_kept_secrets(settings)
    if check:
        check(settings)
    ensure_secrets(settings.root)
    settings = load_settings(home, **ports)
    warn_of_unknown(settings)
    upgrade(settings.effective_database_url)  # here and once, before several services would
    started = start(settings)
    if started.is_changed:
        raise BadRequest(
            "services that run with other settings (a port, a variable, an older Sonoloop)",
            "the settings they were started with",
            "apply the new ones by ./sonoloop down and the same command again",
        )
    note_databases(settings)  # not before: those of other settings are not the ones in use
    if ports:
        remember_settings(settings.root, ports)
    console.print("services are starting" if started.is_new else "services run already")
    with closing(build(settings)) as container:
        if started.is_new:
            _look_at_everything(container)
        yield container


def _look_at_everything(container: Container) -> None:
    """Let the first look at Label Studio be a whole one: its database may have been exchanged meanwhile."""
    with container.database.write() as uow:
        for project in uow.projects.list():
            full_looks.note(uow, project.id, full_looks.NEVER)
        uow.commit()


def require_public_address(settings: Settings) -> None:
    """Raises BadRequest where readers on other machines are let in by an address that nobody told us."""
    if settings.is_open_to_all and not (settings.label_studio_public_url or settings.label_studio_url):
        raise BadRequest(
            f"SONOLOOP_HOST={settings.host}, every address of this machine, and none for readers",
            "the one under which their browsers reach it",
            f"set SONOLOOP_LABEL_STUDIO_PUBLIC_URL, as in http://NAME:{settings.label_studio_port}",
        )


def require_kept_secrets(settings: Settings) -> None:
    """Raises NotFound where a secret is gone by which the home's data were made: one drawn anew fits nothing.

    By another salt the next frames of a recording would get another pseudonym, and be split apart from it; by
    another token Label Studio, which has kept the first one, would refuse us. The others can be drawn anew.
    """
    drawn = {"SONOLOOP_SALT": settings.salt, "SONOLOOP_LABEL_STUDIO_TOKEN": settings.label_studio_token}
    gone = [name for name, value in drawn.items() if not value.get_secret_value()]
    if not gone or not holds_projects(settings):
        return
    raise NotFound(
        f"no {' and no '.join(gone)} in {settings.root / SECRETS_FILE}, and a home that holds data",
        "the secrets by which they were made; nothing was drawn in their place",
        f"bring {SECRETS_FILE} back from a backup, or begin anew with another --home",
    )


def holds_projects(settings: Settings) -> bool:
    """Whether there is a project, in our database at any schema. Raises Unavailable."""
    url = settings.effective_database_url
    if not settings.database_url and not settings.database_file.exists():
        return False
    return bool(projects_in(url))


def wait_until_ready(settings: Settings) -> None:
    """Wait for every service, naming those that are still to come; one that ran before and is silent is
    started again. Raises Unavailable.
    """
    with console.status("starting") as spinner:

        def show(looks: list[Readiness]) -> None:
            waiting = [each.service for each in looks if not each.is_ready]
            spinner.update(f"waiting for {', '.join(waiting)}" if waiting else "ready")

        def tell(service: str) -> None:
            console.print(f"{service} runs and does not answer: it is started again")

        wait_ready(settings, on_look=show, on_restart=tell)


def require_label_studio(settings: Settings) -> None:
    """Raises Unavailable where this home runs its own Label Studio and it is stopped."""
    if is_stopped(settings, LABEL_STUDIO):
        raise Unavailable(
            "a home whose services are stopped",
            "Label Studio running",
            "start it by ./sonoloop up, then the same command again; nothing was changed",
        )


def has_workers(settings: Settings) -> bool:
    """Whether a round may find a worker: without the home's own Redis nobody hears of it."""
    return not is_stopped(settings, REDIS)


def is_stopped(settings: Settings, name: str) -> bool:
    """Whether this home runs that service itself, and it does not run."""
    return any(each.name == name and each.state in ("stopped", "failed") for each in status(settings))
