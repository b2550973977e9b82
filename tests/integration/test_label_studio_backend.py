"""A real Label Studio looks whose the backend's port is before it says anything there."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pytest

from adapters.label_studio.provision import ensure_project
from adapters.locks import try_hold
from loop.errors import SonoloopError
from tests.machine import demand_label_studio
from tests.services.backend_stub import PASSWORD, USER, running_backend_stub
from tests.services.label_studio import project_plan, running_label_studio

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]


def test_a_stranger_on_the_backends_port_hears_neither_password_nor_label() -> None:
    """And the backend itself is spoken to: here the test's process, once it holds the file."""
    demand_label_studio()
    with (
        running_backend_stub() as stub,
        running_label_studio(backend_port=urlsplit(stub.url).port) as server,
        server.api() as api,
    ):
        project = ensure_project(api, project_plan("Owner"))
        body = {
            "project": project,
            "url": stub.url,
            "title": "ours",
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": USER,
            "basic_auth_pass": PASSWORD,
        }
        with pytest.raises(SonoloopError):
            api.send("POST", "/api/ml/", json=body)
        assert stub.told == []
        lock = server.settings.service_lock("backend")
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = try_hold(lock)
        assert handle is not None
        api.send("POST", "/api/ml/", json=body)
        assert {each.path for each in stub.told} >= {"/health", "/setup"}
        os.close(handle)
