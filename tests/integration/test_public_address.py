"""Signing in to a real Label Studio from other machines: through a TLS proxy's name, and from behind it."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookiejar import CookieJar

import httpx
import pytest

from adapters.label_studio.api import BehindProxy
from adapters.label_studio.session import ReaderSession
from tests.services.label_studio import LabelStudioServer, running_label_studio

pytestmark = [pytest.mark.services, pytest.mark.slow]
PUBLIC = "https://read.hospital.example"


@pytest.fixture(scope="module")
def server() -> Iterator[LabelStudioServer]:
    with running_label_studio(label_studio_public_url=PUBLIC) as running:
        yield running


def sign_in(server: LabelStudioServer, origin: str) -> httpx.Response:
    """The log-in form as a browser sends it through a proxy that ends TLS and speaks HTTP to Label Studio."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "read.hospital.example"}
    browser = CookieJar(BehindProxy())
    with httpx.Client(base_url=server.url, headers=headers, cookies=browser, trust_env=False) as client:
        client.get("/user/login/")
        form = {
            "email": server.email,
            "password": server.password,
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        }
        return client.post(
            "/user/login/", data=form, headers={"Origin": origin, "Referer": f"{origin}/user/login/"}
        )


def test_a_reader_signs_in_over_the_public_address_and_the_session_keeps_to_https(
    server: LabelStudioServer,
) -> None:
    answer = sign_in(server, PUBLIC)
    assert answer.status_code == 302
    session = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("sessionid="))
    assert "; Secure" in session
    assert "; HttpOnly" in session


@pytest.mark.parametrize("origin", ["https://evil.example", "http://read.hospital.example"])
def test_a_form_that_another_page_sends_is_refused(server: LabelStudioServer, origin: str) -> None:
    assert sign_in(server, origin).status_code == 403


def test_our_own_programs_still_sign_in_from_behind_the_proxy(server: LabelStudioServer) -> None:
    with ReaderSession.log_in(server.url, server.email, server.password) as session:
        assert session.user_id == 1
