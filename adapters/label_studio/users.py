"""Readers' accounts and the links they are given. Label Studio Community has no roles: readers may do all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from urllib.parse import quote

from adapters.label_studio.api import Api, understood
from adapters.label_studio.session import ReaderSession, post_form
from loop.errors import BadRequest, Conflict, Denied, NotFound

SIGN_UP = "/user/signup/"
ACCESS = "/api/sonoloop/accounts"
"""See `inside/sonoloop_accounts.py`."""
VISITORS = "doctor.invalid"


@dataclass(frozen=True)
class Account:
    """Someone who may log in, unless `is_disabled`; `seen`: when they last did anything, None: never."""

    id: int
    email: str
    seen: datetime | None
    is_disabled: bool = False


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
    disabled = _disabled(api)
    found = [
        Account(each["id"], each["email"], _seen(each["last_activity"]), each["id"] in disabled)
        for each in api.get("/api/users/")
    ]
    return sorted(found, key=lambda account: account.id)


def remove_account(api: Api, user_id: int) -> None:
    """Delete an account with its locks and its drafts; what it submitted stays, and is nobody's then."""
    api.delete(f"/api/users/{user_id}/")


def holds_work(api: Api, user_id: int) -> bool:
    """Whether an account submitted, skipped or began any frame; not known in a Label Studio that lacks our
    additions, and then False. `api` speaks as the first account.
    """
    try:
        held = api.get(f"{ACCESS}/{user_id}/work")
    except NotFound:
        return False
    return bool(held["annotations"] or held["drafts"])


def draw_visitor() -> str:
    """An email for an account of Sonoloop's own, of a domain that is nobody's (RFC 2606)."""
    return f"doctor-{token_hex(8)}@{VISITORS}"


def is_visitor(email: str) -> bool:
    """Whether `draw_visitor` can have made it."""
    return bool(re.fullmatch(rf"doctor-[0-9a-f]{{16}}@{re.escape(VISITORS)}", email))


def set_password(api: Api, email: str, password: str) -> None:
    """Let the holder of an account log in by this password alone: sessions and tokens end, one that was
    disabled is open again. `api` speaks as the first account, whose own token stays. Raises NotFound.
    """
    account = find_account(api, email)
    _set_access(api, account, {"password": password})
    ReaderSession.log_in(api.url, account.email, password).close()


def disable(api: Api, email: str) -> None:
    """Let nobody in by this account: its sessions, tokens and task locks end. What it submitted stays, and so
    that its holder makes no other one, the invitation is drawn anew. Raises NotFound, BadRequest for the
    first account.
    """
    _set_access(api, find_account(api, email), {"is_active": False})
    api.post("/api/invite/reset-token", {})


def find_account(api: Api, email: str) -> Account:
    """The account with this email. Raises NotFound."""
    for account in list_accounts(api):
        if account.email == email.lower():
            return account
    raise NotFound(
        "an email without an account", "one that `./sonoloop user list` shows", "take one of those"
    )


def _set_access(api: Api, account: Account, wish: Mapping[str, str | bool]) -> None:
    try:
        api.post(f"{ACCESS}/{account.id}", wish)
    except NotFound as exc:
        raise NotFound(
            "a Label Studio without Sonoloop's additions",
            "the one that Sonoloop starts, or its image",
            "there: label-studio reset_password --username EMAIL",
        ) from exc


def _disabled(api: Api) -> set[int]:
    """Nobody in a Label Studio that lacks our additions."""
    try:
        return set(api.get(f"{ACCESS}/disabled")["disabled"])
    except NotFound:
        return set()


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
                "an email that Label Studio takes for one",
                "mend the email: letters, digits and .+-_ before the @, a domain behind it",
            )
