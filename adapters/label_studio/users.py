"""Readers' accounts and the links they are given. Label Studio Community has no roles: readers may do all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from adapters.label_studio.api import Api, understood
from adapters.label_studio.session import ReaderSession, post_form
from loop.errors import BadRequest, Conflict, Denied

SIGN_UP = "/user/signup/"


@dataclass(frozen=True)
class Account:
    """Someone who may log in; `seen` is the last time they did anything, None: never."""

    id: int
    email: str
    seen: datetime | None


def invitation_link(api: Api, public_url: str) -> str:
    """Where a new reader makes an account; without the key in it nobody can."""
    return f"{public_url.rstrip('/')}{SIGN_UP}?token={quote(_invitation(api))}"


def stream_link(public_url: str, project_id: int) -> str:
    """Where a reader works: asks for the account when needed, then serves frame after frame in our order."""
    return f"{public_url.rstrip('/')}/projects/{project_id}/data/?labeling=1"


def ensure_reader(api: Api, email: str, password: str) -> ReaderSession:
    """The session of the reader with this email, signed up by invitation when new; `api` speaks as an admin.

    Raises Denied when the account is there with another password, BadRequest when Label Studio refuses the
    email or a password below 8 characters.
    """
    try:
        return ReaderSession.log_in(api.url, email, password, guard=api.guard)
    except Denied:
        _sign_up(api, email, password)
    return ReaderSession.log_in(api.url, email, password, guard=api.guard)


def add_reader(api: Api, email: str, password: str) -> None:
    """Make an account by invitation and prove that its holder can log in; `api` speaks as an admin.

    Raises Conflict where the account is there already, BadRequest when Label Studio refuses the email or a
    password below 8 characters, which is all that it asks of one: then nothing was made.
    """
    if any(account.email == email.lower() for account in list_accounts(api)):
        raise Conflict(
            "an email that has an account already",
            "a new one",
            "the person logs in with the password they were given",
        )
    _sign_up(api, email, password)
    ReaderSession.log_in(api.url, email, password, guard=api.guard).close()


@understood
def list_accounts(api: Api) -> list[Account]:
    """Every account, in the order in which they were made."""
    found = [
        Account(each["id"], each["email"], _seen(each["last_activity"])) for each in api.get("/api/users/")
    ]
    return sorted(found, key=lambda account: account.id)


def remove_account(api: Api, user_id: int) -> None:
    """Delete an account with its locks; what it submitted would go too."""
    api.delete(f"/api/users/{user_id}/")


def _seen(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None


@understood
def _invitation(api: Api) -> str:
    return str(api.get("/api/invite")["token"])


def _sign_up(api: Api, email: str, password: str) -> None:
    fields, invitation = {"email": email, "password": password}, _invitation(api)
    with Api(api.url, guard=api.guard) as visitor:
        if not post_form(visitor, SIGN_UP, fields, {"token": invitation}):
            raise BadRequest(
                "a refused sign-up",
                "a valid new email and a password of 8 characters or more",
                "choose others, or log in with the password of this account",
            )
