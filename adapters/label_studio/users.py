"""Readers' accounts and the links they are given. Label Studio Community has no roles: readers may do all."""

from __future__ import annotations

from urllib.parse import quote

from adapters.label_studio.api import Api
from adapters.label_studio.session import ReaderSession, post_form
from loop.errors import BadRequest, Denied

SIGN_UP = "/user/signup/"


def invitation_link(api: Api, public_url: str) -> str:
    """Where a new reader makes an account; without the key in it nobody can."""
    return f"{public_url.rstrip('/')}{SIGN_UP}?token={quote(_invitation(api))}"


def stream_link(public_url: str, project_id: int) -> str:
    """Where a reader works: asks for the account when needed, then serves frame after frame in our order."""
    return f"{public_url.rstrip('/')}/projects/{project_id}/data/?labeling=1"


def ensure_reader(api: Api, email: str, password: str) -> ReaderSession:
    """The session of the reader with this email, signed up by invitation when new; `api` speaks as an admin.

    Raises Denied when the account is there with another password, BadRequest when Label Studio refuses the
    email or the password (at least 8 characters, not too common).
    """
    try:
        return ReaderSession.log_in(api.url, email, password)
    except Denied:
        _sign_up(api.url, _invitation(api), email, password)
    return ReaderSession.log_in(api.url, email, password)


def _invitation(api: Api) -> str:
    return str(api.get("/api/invite")["token"])


def _sign_up(url: str, invitation: str, email: str, password: str) -> None:
    fields = {"email": email, "password": password}
    with Api(url) as visitor:
        if not post_form(visitor, SIGN_UP, fields, {"token": invitation}):
            raise BadRequest(
                "a refused sign-up",
                "a valid new email and a password of 8 characters or more that is not common",
                "choose others, or log in with the password of this account",
            )
