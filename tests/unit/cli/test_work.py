from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from adapters.label_studio.api import Api
from cli import work
from cli.work import print_address
from loop.errors import NotFound
from loop.records import Project
from tests.services.homes import make_settings

PASSWORD = "[bold]a:x:b[/]"


def test_a_password_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = make_settings(
        tmp_path, admin_password=SecretStr(PASSWORD), label_studio_url="http://[a::1]:8080"
    )
    invites = httpx.MockTransport(lambda _: httpx.Response(200, json={"token": "abc"}))
    with Api("http://studio", "token", transport=invites) as api:
        container: Any = SimpleNamespace(settings=settings, label_studio_api=api)
        print_address(container, Project(1, "Arm [veins]", ("Vein",), label_studio_id=7))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Arm [veins]  http://[a::1]:8080/projects/7/data/?labeling=1",
        f"  login       admin@sonoloop.local  {PASSWORD}",
        "  new reader  http://[a::1]:8080/user/signup/?token=abc",
    ]


def test_a_project_that_was_deleted_keeps_no_other_from_its_readers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (Project(number, "Veins", ("Vein",), label_studio_id=number) for number in (1, 2))

    def connect(_: object, project: Project) -> Project:
        if project is deleted:
            raise NotFound("a project that was deleted", "its twin", "export DIR takes the masks out")
        return project

    monkeypatch.setattr(work, "connect_project", connect)
    deleted = old
    assert work._connect_all(SimpleNamespace(), [old, new]) == [new]  # type: ignore[arg-type]
    assert "export DIR takes the masks out" in capsys.readouterr().out
    deleted = new
    with pytest.raises(NotFound):
        work._connect_all(SimpleNamespace(), [old, new])  # type: ignore[arg-type]
    deleted = demo = Project(3, "Demo", ("Vein",), label_studio_id=3, settings={"kind": "demo"})
    assert work._connect_all(SimpleNamespace(), [demo]) == []  # type: ignore[arg-type]
