"""What Label Studio is told of the address that readers use."""

from __future__ import annotations

import pytest

from adapters.label_studio.inside.sonoloop_addresses import settings_for


def test_forms_from_the_public_address_are_trusted_and_cookies_keep_to_https() -> None:
    assert settings_for("https://read.hospital.org/studio") == {
        "CSRF_TRUSTED_ORIGINS": ["https://read.hospital.org"],
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
    }


def test_without_https_cookies_travel_as_they_can() -> None:
    assert settings_for("http://read.hospital.org:8080") == {
        "CSRF_TRUSTED_ORIGINS": ["http://read.hospital.org:8080"],
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
    }


@pytest.mark.parametrize("public", ["", "read.hospital.org", "/studio"])
def test_without_a_public_address_nothing_is_changed(public: str) -> None:
    assert settings_for(public) == {}
