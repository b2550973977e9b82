"""What Label Studio's pages allow a browser."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapters.label_studio.inside.sonoloop_headers import HEADERS, POLICY, careful_headers


def answer(is_secure: bool, said: dict[str, str] | None = None) -> dict[str, str]:
    response: Any = SimpleNamespace(headers=dict(said or {}))
    request = SimpleNamespace(is_secure=lambda: is_secure)
    return dict(careful_headers(lambda _: response)(request).headers)


def test_https_is_kept_to_once_it_was_used_and_plain_http_is_not_locked_out() -> None:
    assert answer(is_secure=True)["Strict-Transport-Security"] == "max-age=63072000"
    assert answer(is_secure=False) == HEADERS


def test_a_stricter_word_of_label_studio_stays() -> None:
    assert answer(is_secure=False, said={"X-Frame-Options": "DENY"})["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("directive", POLICY.split("; "))
def test_no_other_host_stands_in_the_policy(directive: str) -> None:
    assert not {"*", "http:", "https:"} & set(directive.split())
    assert "." not in directive
