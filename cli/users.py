"""`sonoloop user`: accounts with which readers log in to Label Studio."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from adapters.bootstrap import Container
from adapters.home_files import SECRETS_FILE, variable_name
from adapters.label_studio.users import add_reader, disable, list_accounts, set_password, stream_link
from adapters.services.secrets import keep_secret
from cli.home import choose_project, open_home
from cli.markup import escape
from cli.services import require_label_studio
from cli.shell import console, say
from loop.errors import BadRequest, NotFound

NOBODYS = ".invalid"
"""Reserved by RFC 2606; the doctor's visitors have addresses below it, and are removed."""
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
LONGEST_EMAIL = 255
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 128
"""Label Studio would take 8 characters, and any common word."""
DRAWN_BYTES = 12
"""Of a drawn password, which has 16 characters then."""


def add_user(home: Path | None, email: str, is_password_given: bool) -> None:
    """Make an account and print how its holder logs in, the password for the only time.

    Raises BadRequest for an unusable email or password, Conflict for an email that has an account.
    """
    check_email(email)
    password = read_password() if is_password_given else secrets.token_urlsafe(DRAWN_BYTES)
    with _label_studio(home) as container:
        add_reader(container.label_studio_api, email, password)
        address = _address(container)
    say(console, f"[bold]{escape(email)}[/] can log in now")
    _print_login(address, password, is_password_given)


def reset_user(home: Path | None, email: str, is_password_given: bool) -> None:
    """Give an account another password, printed for the only time unless it was given; all its sessions end.

    Raises BadRequest for an unusable password, NotFound for an email without an account.
    """
    password = read_password() if is_password_given else secrets.token_urlsafe(DRAWN_BYTES)
    with _label_studio(home) as container:
        set_password(container.label_studio_api, email, password)
        settings = container.settings
        is_first = email.lower() == settings.admin_email.lower()
        is_kept = is_first and (settings.root / SECRETS_FILE).exists()
        if is_kept:
            keep_secret(settings.root, variable_name("admin_password"), password)
        address = _address(container)
    say(console, f"[bold]{escape(email)}[/] can log in with the new password alone; older sessions are over")
    _print_login(address, password, is_password_given)
    if is_kept:
        say(console, f"  it is the one of this home now, in {escape(str(settings.root / SECRETS_FILE))}")
    elif is_first:
        say(console, "  put it into SONOLOOP_ADMIN_PASSWORD where the services have theirs")


def disable_user(home: Path | None, email: str) -> None:
    """Let nobody in by an account any more; what its holder drew stays.

    Raises NotFound for an email without an account, BadRequest for the first account.
    """
    with _label_studio(home) as container:
        if email.lower() == container.settings.admin_email.lower():
            raise BadRequest(
                "the first account, as which Sonoloop itself speaks",
                "a reader's account",
                "give it another password by ./sonoloop user reset",
            )
        disable(container.label_studio_api, email)
    say(
        console,
        f"[bold]{escape(email)}[/] is let in no more, its sessions are over; every label stays",
    )
    say(
        console, "  invitations that were sent before are void; ./sonoloop up --show-login prints the new one"
    )
    say(console, "  ./sonoloop user reset opens the account again")


def list_users(home: Path | None) -> None:
    """Print every account."""
    with _label_studio(home) as container:
        accounts = list_accounts(container.label_studio_api)
    table = Table(box=None, padding=(0, 2))
    for heading in ("id", "email", "last seen", ""):
        table.add_column(heading)
    for each in accounts:
        table.add_row(
            str(each.id),
            escape(each.email),
            f"{each.seen:%Y-%m-%d %H:%M %Z}" if each.seen else "never",
            "disabled" if each.is_disabled else "",
        )
    console.print(table)


def check_email(email: str) -> None:
    """Raises BadRequest for text that is no email address; Label Studio would refuse it without a reason."""
    if not EMAIL.fullmatch(email) or len(email) > LONGEST_EMAIL:
        raise BadRequest(
            "an email that cannot be one",
            f"name@domain with a dot in the domain, of {LONGEST_EMAIL} characters at most",
            "look for a slip in it",
        )
    if email.lower().endswith(NOBODYS):
        raise BadRequest(
            f"an email in {NOBODYS}, a domain for accounts that the doctor makes and removes",
            "the address of a person",
            "give the reader's own address, or any other domain",
        )


def read_password() -> str:
    """The first line of standard input, without its end. Raises BadRequest for one that cannot serve."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise BadRequest(
            f"a password of {len(password)} characters",
            f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD}",
            "give another, or leave the option out to have one drawn",
        )
    return password


@contextmanager
def _label_studio(home: Path | None) -> Iterator[Container]:
    with open_home(home) as container:
        require_label_studio(container.settings)
        yield container


def _print_login(address: str, password: str, is_password_given: bool) -> None:
    say(console, f"  address   {escape(address)}")
    if is_password_given:
        say(console, "  password  the one that was given")
    else:
        say(console, f"  password  {escape(password)}   (shown this once)")


def _address(container: Container) -> str:
    """Where a reader works; before there is a project, Label Studio's front page."""
    url = container.settings.effective_public_url
    try:
        with container.database.read() as uow:
            project = choose_project(uow, 0)
    except NotFound:
        return url
    return stream_link(url, project.label_studio_id) if project.label_studio_id else url
