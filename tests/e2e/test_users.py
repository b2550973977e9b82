"""Readers' accounts as an administrator makes them, and as their holders use them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.label_studio.api import Api
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ACCESS, invitation_link, remove_account, stream_link
from adapters.services.secrets import ensure_secrets
from cli.app import app
from loop.errors import BadRequest, Denied, Unavailable
from tests.e2e.homes import Home
from tests.e2e.projects import make_small_project

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(400)]

EMAIL = "anna@clinic.org"
CLIPS = range(80, 83)


def user(home: Path, *words: str, code: int = 0, given: str | None = None) -> Result:
    result = CliRunner().invoke(app, ["user", *words, "--home", str(home)], input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == code, result.output
    return result


def printed(output: str, name: str) -> str:
    found = re.search(rf"^  {name} +(\S+)", output, re.MULTILINE)
    assert found, output
    return found.group(1)


def test_a_new_reader_logs_in_with_what_was_printed_and_is_served_a_frame(home: Home, tmp_path: Path) -> None:
    mirror = make_small_project(home, "Users", tmp_path / "frames", CLIPS, 1)
    project = mirror.label_studio_id()
    output = user(home.settings.root, "add", EMAIL).output
    assert printed(output, "address") == stream_link(home.settings.effective_public_url, project)
    password = printed(output, "password")
    assert len(password) >= 12
    with ReaderSession.log_in(home.settings.effective_label_studio_url, EMAIL, password) as session:
        task = session.next_task(project)
        assert task is not None
        assert session.fetch(str(task.data["image"])).startswith(b"\x89PNG")
    assert EMAIL in user(home.settings.root, "list").output
    remove_account(home.container.label_studio_api, session.user_id)  # and with it the lock on that task


def test_a_second_account_of_the_same_email_is_refused_and_the_first_one_keeps_its_password(
    home: Home,
) -> None:
    user(home.settings.root, "add", "boris@clinic.org", "--password-from-stdin", given="First-pass-12\n")
    again = user(home.settings.root, "add", "Boris@clinic.org", code=1).output
    assert "has an account already" in again
    url = home.settings.effective_label_studio_url
    ReaderSession.log_in(url, "boris@clinic.org", "First-pass-12").close()


def test_a_given_password_is_never_printed(home: Home) -> None:
    added = user(
        home.settings.root, "add", "clara@clinic.org", "--password-from-stdin", given="Secret-12345\n"
    )
    assert "Secret-12345" not in added.output


def enters(home: Home, email: str, password: str) -> bool:
    try:
        ReaderSession.log_in(home.settings.effective_label_studio_url, email, password).close()
    except Denied:
        return False
    return True


def is_open(session: ReaderSession) -> bool:
    try:
        session.token()
    except (Denied, Unavailable):  # refused, or led to the log-in page
        return False
    return True


def test_a_forgotten_password_is_replaced_and_ends_every_session_and_token(home: Home) -> None:
    email, root, url = "emil@clinic.org", home.settings.root, home.settings.effective_label_studio_url
    old = printed(user(root, "add", email).output, "password")
    with ReaderSession.log_in(url, email, old) as session, Api(url, session.token()) as by_token:
        new = printed(user(root, "reset", "Emil@clinic.org").output, "password")
        assert not is_open(session)
        with pytest.raises(Denied):
            by_token.get("/api/current-user/whoami")
    assert (enters(home, email, old), enters(home, email, new)) == (False, True)
    given = user(root, "reset", email, "--password-from-stdin", given="Chosen-by-hand-1\n").output
    assert "Chosen-by-hand-1" not in given
    assert (enters(home, email, new), enters(home, email, "Chosen-by-hand-1")) == (False, True)


def test_a_reader_who_left_is_let_in_no_more_by_session_password_or_invitation(home: Home) -> None:
    email, root, url = "frida@clinic.org", home.settings.root, home.settings.effective_label_studio_url
    api = home.container.label_studio_api
    invitation = invitation_link(api, url)
    password = printed(user(root, "add", email).output, "password")
    with ReaderSession.log_in(url, email, password) as session:
        user(root, "disable", email)
        assert not is_open(session)
    assert not enters(home, email, password)
    assert invitation_link(api, url) != invitation
    assert re.search(rf"{email}.* disabled", user(root, "list").output)
    again = printed(user(root, "reset", email).output, "password")
    assert enters(home, email, again)
    assert not re.search(rf"{email}.* disabled", user(root, "list").output)


def test_the_first_account_gets_a_new_password_and_goes_on_speaking(home: Home) -> None:
    root, email = home.settings.root, home.settings.admin_email
    before = home.settings.admin_password.get_secret_value()
    assert "Sonoloop itself speaks" in user(root, "disable", email, code=1).output
    try:
        password = printed(user(root, "reset", email).output, "password")
        assert load_settings(root).admin_password.get_secret_value() == password
        assert enters(home, email, password)
        assert email in user(root, "list").output, "by the token that it had"
    finally:
        user(root, "reset", email, "--password-from-stdin", given=f"{before}\n")


def test_only_the_first_account_may_change_others(home: Home) -> None:
    """Readers have no roles in Label Studio; here neither their sessions nor their tokens open anything."""
    email, url = "gustav@clinic.org", home.settings.effective_label_studio_url
    password = printed(user(home.settings.root, "add", email).output, "password")
    with ReaderSession.log_in(url, email, password) as session, Api(url, session.token()) as by_token:
        for each in (by_token, session._api):
            with pytest.raises(Denied):
                each.post(f"{ACCESS}/1", {"password": "Taken-over-123"})
            with pytest.raises(Denied):
                each.get(f"{ACCESS}/disabled")
    with pytest.raises(BadRequest, match="the first account stays"):
        home.container.label_studio_api.post(f"{ACCESS}/1", {"is_active": False})


def test_an_email_without_an_account_is_told(home: Home) -> None:
    for command in ("reset", "disable"):
        assert "without an account" in user(home.settings.root, command, "nobody@clinic.org", code=1).output


def test_an_email_that_only_label_studio_refuses_makes_no_account(home: Home) -> None:
    assert "a refused sign-up" in user(home.settings.root, "add", "dora@clinic.o_g", code=1).output
    assert "dora" not in user(home.settings.root, "list").output


BAD_EMAILS = ("", "anna", "anna@", "anna@clinic", "a b@clinic.org", "a@b@c.org", "a@b..c")


@pytest.mark.parametrize("email", BAD_EMAILS)
def test_what_is_no_email_is_refused_before_anything_is_asked(tmp_path: Path, email: str) -> None:
    assert "cannot be one" in user(tmp_path / "nowhere", "add", email, code=1).output


@pytest.mark.parametrize("email", ["doctor@doctor.invalid", "Anna@Clinic.INVALID"])
def test_an_email_of_the_doctors_domain_is_refused_before_anything_is_asked(
    tmp_path: Path, email: str
) -> None:
    output = user(tmp_path / "nowhere", "add", email, code=1).output
    assert "a domain for accounts that the doctor makes and removes" in " ".join(output.split())


def test_a_short_password_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    output = user(tmp_path, "add", EMAIL, "--password-from-stdin", code=1, given="short\n").output
    assert "a password of 5 characters" in output


def test_without_label_studio_no_account_is_made_and_it_is_said_what_to_start(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    assert "./sonoloop up" in user(tmp_path, "add", EMAIL, code=1).output
    remember_settings(tmp_path, {"label_studio_url": "http://127.0.0.1:9"})
    assert "no answer from Label Studio" in user(tmp_path, "add", EMAIL, code=1).output
