"""Starting the services of a home and waiting for them, in sight of the person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.bootstrap import Container, build
from adapters.services.control import start
from adapters.services.readiness import Readiness, wait_ready
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings, load_settings
from cli.shell import console


@contextmanager
def running_home(home: Path | None) -> Iterator[Container]:
    """Make the home where it is missing, start everything and wait until it answers.

    Raises BadRequest for a busy port, Unavailable for a service that does not come up.
    """
    container = begin(home)
    try:
        wait_until_ready(container.settings)
        yield container
    finally:
        container.close()


def begin(home: Path | None) -> Container:
    """Draw secrets, bring the database up to date and start the services, without waiting for them."""
    root = load_settings(home).root
    ensure_secrets(root)
    settings = load_settings(home)
    container = build(settings)
    container.database.read  # noqa: B018 - migrates here, once, before several services would
    started = start(settings)
    console.print("services are starting" if started.is_new else "services run already")
    if started.is_changed:
        console.print(
            "[yellow]they run with other settings than the present ones: ./sonoloop down, then up, applies these[/]"
        )
    return container


def wait_until_ready(settings: Settings) -> None:
    """Wait for every service, naming those that are still to come. Raises Unavailable."""
    with console.status("starting") as spinner:

        def show(looks: list[Readiness]) -> None:
            waiting = [each.service for each in looks if not each.is_ready]
            spinner.update(f"waiting for {', '.join(waiting)}" if waiting else "ready")

        wait_ready(settings, on_look=show)
