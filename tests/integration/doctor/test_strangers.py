"""Whoever answers in the place of Label Studio or of the backend is told, and hears no secret."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

from adapters.home_files import remember_settings
from adapters.settings import Settings
from cli.doctor.findings import State
from tests.integration.doctor.homes import found, made_home
from tests.services.stand_in import StandIn, standing_in


class AnotherLabelStudio(StandIn):
    """Something else that answers where Label Studio should: another release, another hour."""

    def answer(self) -> None:
        self.say(200, json.dumps({"status": "UP", "release": "1.0.0", "email": "somebody@else.org"}).encode())

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


class Eavesdropper(StandIn):
    """Sits on a port of a home and answers all that it is asked."""

    heard: list[str] = []  # noqa: RUF012, read by one test

    def answer(self) -> None:
        self.heard.append(str(self.headers.get("Authorization")))
        self.say(200, b'{"status": "UP", "model_class": "SonoloopModel"}')


def test_whoever_sits_on_the_ports_of_a_stopped_home_hears_no_secret(tmp_path: Path) -> None:
    with standing_in(Eavesdropper) as first, standing_in(Eavesdropper) as second:
        numbers = [urlsplit(url).port for url in (first, second)]
        home = made_home(tmp_path / "home", label_studio_port=numbers[0], backend_port=numbers[1])
        findings = found(home)
    assert Eavesdropper.heard == []
    for name in ("label studio", "ml backend"):
        assert (findings[name].state, "another program on " in findings[name].got) == (State.FAIL, True)
    for number in numbers:
        assert f"(process {os.getpid()})" in findings[f"port {number}"].got


class Stranger(StandIn):
    """Answers every question alike."""

    def answer(self) -> None:
        self.say(200, b'{"status": "UP"}')


def test_a_strangers_answers_are_told_as_such(home: Settings) -> None:
    with standing_in(Stranger) as url:
        remember_settings(home.root, {"label_studio_url": url, "backend_url": url})
        findings = found(home)
    assert not [name for name, each in findings.items() if "nobody foresaw" in each.got]
    assert "an answer without what is looked for" in findings["token"].got


def test_another_label_studio_of_another_hour(home: Settings) -> None:
    with standing_in(AnotherLabelStudio) as url:
        remember_settings(home.root, {"label_studio_url": url})
        findings = found(home)
    assert findings["version"].state is State.FAIL
    assert findings["clock"].got.startswith("3600 s apart") or findings["clock"].got.startswith("3599")
    assert findings["token"].state is State.WARN


def test_a_label_studio_that_hangs_holds_up_the_rest_for_seconds_only(home: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        remember_settings(home.root, {"label_studio_url": f"http://127.0.0.1:{mute.getsockname()[1]}"})
        findings = found(home)
    assert "no answer" in findings["label studio"].got
    assert findings["token"].got == "not looked at, since `label studio` is not well"
    assert findings["rounds"].state is State.OK
