"""What Label Studio is told of the address that readers use."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from adapters.label_studio.server import INSIDE


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sonoloop_addresses", INSIDE / "sonoloop_addresses.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_forms_from_the_public_address_are_trusted_and_cookies_keep_to_https() -> None:
    assert load().settings_for("https://read.hospital.org/studio") == {
        "CSRF_TRUSTED_ORIGINS": ["https://read.hospital.org"],
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
    }


def test_without_https_cookies_travel_as_they_can() -> None:
    assert load().settings_for("http://read.hospital.org:8080") == {
        "CSRF_TRUSTED_ORIGINS": ["http://read.hospital.org:8080"],
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
    }


@pytest.mark.parametrize("public", ["", "read.hospital.org", "/studio"])
def test_without_a_public_address_nothing_is_changed(public: str) -> None:
    assert load().settings_for(public) == {}
