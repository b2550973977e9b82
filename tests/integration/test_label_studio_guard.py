"""A real Label Studio towards strangers, crooked addresses and markup where words belong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image

from adapters.label_studio.api import Api
from adapters.label_studio.provision import ensure_frames, ensure_project
from adapters.label_studio.session import ReaderSession, post_form
from adapters.label_studio.users import SIGN_UP
from loop.errors import Denied, NotFound
from tests.services.label_studio import LabelStudioServer, project_plan

pytestmark = pytest.mark.services
SECRET = b"a secret of the home"
PINNED = b'"release": "1.'
MARKUP = '"><script>alert(1)</script>${x}'


@pytest.fixture(scope="module")
def reader(label_studio_server: LabelStudioServer, api: Api) -> Iterator[ReaderSession]:
    frames = label_studio_server.frames
    (frames.parent / "secrets.txt").write_bytes(SECRET)
    (frames / "beside.txt").write_bytes(SECRET)
    Image.fromarray(np.full((4, 6), 77, np.uint8)).save(frames / "all" / "guarded.png")
    ensure_frames(api, ensure_project(api, project_plan("Guard")), frames / "all")
    with label_studio_server.reader("reader@guard.org") as session:
        yield session


def test_no_crooked_path_leads_out_of_the_folder_of_frames(
    reader: ReaderSession, label_studio_server: LabelStudioServer
) -> None:
    home = label_studio_server.frames.parent
    assert reader.fetch("/data/local-files/?d=all/guarded.png").startswith(b"\x89PNG")
    for path in (
        "../secrets.txt",
        "all/../../secrets.txt",
        "all/..%2f..%2fsecrets.txt",
        quote("all/../../secrets.txt", safe=""),
        quote(quote("all/../../secrets.txt", safe=""), safe=""),
        "beside.txt",
        "all/../beside.txt",
        str(home / "secrets.txt"),
        f"//{home}/secrets.txt",
        "..\\secrets.txt",
        "all/guarded.png%00.txt",
        "/etc/passwd",
        "all",
        "",
    ):
        answer = httpx.get(
            f"{label_studio_server.url}/data/local-files/?d={path}",
            cookies=dict(reader.cookies),
            trust_env=False,
        )
        assert answer.status_code >= 400, path
        assert SECRET not in answer.content
        assert b"root:" not in answer.content


def test_pages_tell_browsers_to_stay_here(label_studio_server: LabelStudioServer) -> None:
    for path in ("/user/login/", "/api/projects/", "/health", "/static/nothing.js"):
        answer = httpx.get(f"{label_studio_server.url}{path}", trust_env=False)
        assert "connect-src 'self'" in answer.headers["Content-Security-Policy"], path
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] in ("SAMEORIGIN", "DENY")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "Label Studio", "no version"
        assert "Strict-Transport-Security" not in answer.headers, "this is plain HTTP"


@pytest.mark.parametrize(
    "path", ["/api/projects/", "/api/tasks?project=1", "/api/users/", "/api/webhooks/", "/api/ml/?project=1"]
)
def test_the_api_is_closed_to_strangers_and_to_guessed_tokens(
    label_studio_server: LabelStudioServer, path: str
) -> None:
    for token in ("", "0" * 40):
        with Api(label_studio_server.url, token) as stranger, pytest.raises(Denied):
            stranger.read(path)


@pytest.mark.parametrize("path", ["/api/version/", "/version/", "/anything/version/"])
def test_strangers_are_told_of_no_version_and_accounts_are(
    label_studio_server: LabelStudioServer, api: Api, reader: ReaderSession, path: str
) -> None:
    with Api(label_studio_server.url) as stranger:
        assert stranger.read(path).content == b'{"label-studio-os-package": {}}'
    with Api(label_studio_server.url, "0" * 40) as guesser, pytest.raises(Denied):
        guesser.read(path)
    assert PINNED in api.read(path).content
    assert PINNED in reader.fetch(path)


def test_nobody_signs_up_without_an_invitation(label_studio_server: LabelStudioServer) -> None:
    account = {"email": "stranger@guard.org", "password": "Stranger-pass-1"}
    for token in ("", "guessed"):
        with Api(label_studio_server.url) as stranger:
            try:
                is_accepted = post_form(stranger, SIGN_UP, account, {"token": token})
            except Denied:
                is_accepted = False
            assert not is_accepted
    with pytest.raises(Denied):
        ReaderSession.log_in(label_studio_server.url, account["email"], account["password"])


def test_markup_in_a_title_and_in_class_names_stays_words(api: Api, reader: ReaderSession) -> None:
    classes = [MARKUP, "</BrushLabels><Choices/>", "{{7*7}}"]
    project = ensure_project(api, replace(project_plan("Guard", classes), title="<script>alert(1)</script>"))
    found = api.get(f"/api/projects/{project}")
    assert set(found["parsed_label_config"]) == {"brush"}
    assert list(found["parsed_label_config"]["brush"]["labels"]) == classes
    page = reader.fetch(f"/projects/{project}/data").decode()
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize(
    "address", ["http://127.0.0.2:9090", "http://10.0.0.1:9090", "http://169.254.169.254"]
)
def test_label_studio_calls_no_inner_address_but_ours(api: Api, address: str) -> None:
    project = ensure_project(api, project_plan("Guard"))
    with pytest.raises(Denied, match="reserved network"):
        api.post("/api/webhooks/", {"project": project, "url": f"{address}/webhook"})
    with pytest.raises(Denied, match="reserved network"):
        api.post("/api/ml/", {"project": project, "url": address})


def test_the_log_in_page_asks_nothing_of_the_outside(label_studio_server: LabelStudioServer) -> None:
    began = time.monotonic()
    with Api(label_studio_server.url) as visitor, pytest.raises(NotFound):
        visitor.read("/heidi-tips/")
    assert time.monotonic() - began < 20, "it waited for an answer from outside"
