from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from adapters.label_studio.api import Api
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli import work
from cli.work import is_about_to_be_made, print_address
from loop.errors import NotFound
from loop.records import Project
from tests.services.homes import make_settings

PASSWORD = "[bold]a:x:b[/]"


def printed(settings: Settings, capsys: pytest.CaptureFixture[str], *, shows_login: bool) -> list[str]:
    invites = httpx.MockTransport(lambda _: httpx.Response(200, json={"token": "abc"}))
    with Api("http://studio", "token", transport=invites) as api:
        container: Any = SimpleNamespace(settings=settings, label_studio_api=api)
        print_address(container, Project(1, "Arm [veins]", ("Vein",), label_studio_id=7), shows_login)
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    url = "http://[a::1]:8080"
    return make_settings(tmp_path, admin_password=SecretStr(PASSWORD), label_studio_url=url)


def test_a_password_is_printed_as_it_is(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(settings, capsys, shows_login=True) == [
        "",
        "Arm [veins]  http://[a::1]:8080/projects/7/data/?labeling=1",
        f"  login       admin@sonoloop.local  {PASSWORD}",
        "  new reader  http://[a::1]:8080/user/signup/?token=abc",
    ]


def test_where_nobody_asks_for_them_their_places_stand_for_password_and_invitation(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    head = ["", "Arm [veins]  http://[a::1]:8080/projects/7/data/?labeling=1"]
    invitation = "  new reader  ./sonoloop up --show-login prints the link"
    login = "  login       admin@sonoloop.local, password in "
    elsewhere = f"{login}SONOLOOP_ADMIN_PASSWORD, where the services have theirs"
    assert printed(settings, capsys, shows_login=False) == [*head, elsewhere, invitation]
    file = ensure_secrets(settings.root)
    assert printed(settings, capsys, shows_login=False) == [*head, f"{login}{file}", invitation]


def test_a_home_that_has_drawn_its_password_prints_it_no_more_by_itself(
    settings: Settings, tmp_path: Path
) -> None:
    assert is_about_to_be_made(settings)
    assert not is_about_to_be_made(make_settings(tmp_path, services="elsewhere"))
    ensure_secrets(settings.root)
    assert not is_about_to_be_made(settings)


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
