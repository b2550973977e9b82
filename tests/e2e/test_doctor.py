"""The doctor on a running home: all well, nothing left behind; and each service really broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.label_studio.users import list_accounts
from adapters.services.control import status
from adapters.services.programs import BACKEND, BEAT, REDIS, WORKER_LIGHT
from cli.doctor import label_studio, loop, mirrored, order, services
from cli.doctor.examine import examine
from cli.doctor.findings import State
from cli.doctor.installation import Installation, read_installation
from cli.status import look_at_services
from cli.work import WorkPlan, bring_up
from loop.errors import BadRequest, NotFound
from loop.records import Project
from tests.e2e.breaking import fails, kept, kill, nothing_mirrored, paused
from tests.e2e.homes import Home, Mirror
from tests.e2e.projects import make_small_project
from tests.machine import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(400)]
CLIPS, PER_CLIP = range(70, 75), 3


@pytest.fixture
def installation(home: Home) -> Installation:
    return Installation(home.settings)


@pytest.fixture(scope="module")
def project(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One of its own, with more frames than there are readers."""
    return make_small_project(home, "Doctor", tmp_path_factory.mktemp("frames"), CLIPS, PER_CLIP).project


def test_a_running_home_is_well_and_nothing_is_left_behind(
    home: Home, project: Project, installation: Installation
) -> None:
    home.settings.root.chmod(0o700)
    before = kept(home, project)
    findings = dict(examine(installation))
    assert {name: each for name, each in findings.items() if each.state is State.FAIL} == {}
    for name in ("webhook", "order", "mirror", "setup"):
        assert findings[f"project {project.id} {name}"].state is State.OK
    assert kept(home, project) == before


def test_services_that_do_not_answer_are_told_apart(
    home: Home, project: Project, installation: Installation
) -> None:
    with paused(home, REDIS):
        fails(lambda: services.redis(installation), "no answer")
    with paused(home, WORKER_LIGHT):
        fails(lambda: services.workers(installation), WORKER_LIGHT)
    with paused(home, BACKEND):
        fails(lambda: services.backend(installation), "no answer")
        fails(lambda: loop.webhook(installation, project), "none in the inbox")
    with paused(home, BEAT):
        fails(lambda: services.beat(installation), "nothing within")


def test_a_setting_that_does_not_fit_makes_no_other_line_false(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_THREADS", "abc")
    installation = read_installation(home.settings.root)
    assert installation.refused is not None
    for look in (services.services, services.backend, label_studio.token):
        assert look(installation).state is State.OK, look


def test_a_wrong_token_is_told(home: Home) -> None:
    wrong = home.settings.model_copy(update={"label_studio_token": SecretStr("0" * 40)})
    fails(lambda: label_studio.token(Installation(wrong)), "a refusal of our token")


def test_without_the_salt_no_change_of_the_project_is_told(home: Home, project: Project) -> None:
    """What marks a project as this home's is made with it: nobody changed that."""
    lost = home.settings.model_copy(update={"salt": SecretStr("")})
    finding = label_studio.setup(Installation(lost), project)
    assert (finding.state, "the salt" in finding.got) == (State.WARN, True)


def test_a_changed_project_is_told_field_by_field(
    home: Home, project: Project, installation: Installation
) -> None:
    api, path = home.container.label_studio_api, f"/api/projects/{project.label_studio_id}"
    api.patch(path, {"sampling": "Sequential sampling"})
    hook = api.get("/api/webhooks/", {"project": project.label_studio_id or 0})[0]
    api.patch(f"/api/webhooks/{hook['id']}/", {**hook, "is_active": False})
    try:
        fails(lambda: label_studio.setup(installation, project), "sampling", "webhook")
        fails(lambda: loop.webhook(installation, project), "none in the inbox")
    finally:
        api.patch(path, {"sampling": "Uncertainty sampling"})
        api.patch(f"/api/webhooks/{hook['id']}/", hook)
    assert label_studio.setup(installation, project).state is State.OK


def test_up_puts_right_what_the_doctor_finds_in_a_demo_too_and_takes_no_frames_there(
    home: Home, project: Project, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    api = home.container.label_studio_api
    with home.container.database.write() as uow:
        kept = {each.id: each.settings for each in uow.projects.list()}
        for each, settings in kept.items():
            uow.projects.set_settings(each, {**settings, "kind": "demo"})
        uow.commit()
    api.patch(f"/api/projects/{project.label_studio_id}", {"sampling": "Sequential sampling"})
    hook = api.get("/api/webhooks/", {"project": project.label_studio_id or 0})[0]
    api.delete(f"/api/webhooks/{hook['id']}/")
    try:
        bring_up(home.settings.root, {}, None, WorkPlan())
        assert "login" in capsys.readouterr().out
        assert label_studio.setup(installation, project).state is State.OK
        with pytest.raises(BadRequest, match="--home work"):
            bring_up(home.settings.root, {}, Path(__file__).parent, WorkPlan())
    finally:
        with home.container.database.write() as uow:
            for each, settings in kept.items():
                uow.projects.set_settings(each, settings)
            uow.commit()


def test_status_calls_no_service_running_that_does_not_answer_yet(home: Home) -> None:
    def state() -> str:
        return next(each.state for each in look_at_services(home.settings) if each.name == BACKEND)

    kill(home, BACKEND)
    wait_until(lambda: any(e.name == BACKEND and e.state == "running" for e in status(home.settings)), "it")
    with paused(home, BACKEND):
        assert state() == "starting"
    wait_until(lambda: state() == "running", BACKEND)


def test_a_deleted_project_is_told(home: Home, project: Project, installation: Installation) -> None:
    api = home.container.label_studio_api
    created = api.post("/api/projects/", {"title": "Short-lived"})["id"]
    api.delete(f"/api/projects/{created}/")
    lost = replace(project, label_studio_id=created)
    fails(lambda: label_studio.twin(installation, lost), "deleted in Label Studio")


def test_an_order_that_is_not_ours_is_told(
    home: Home, project: Project, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place turned round in Label Studio: it serves the last of our queue first."""
    client, project_id = home.container.label_studio, project.label_studio_id or 0
    mirror = Mirror(home.container, project.id)
    listed = client.predictions(project_id, mirror.champion().name)
    for each in listed:
        client.set_score(each.id, 2.0 - (each.score or 0.0))
    try:
        kill(home, WORKER_LIGHT)
        soon = order.order(installation, project)
        monkeypatch.setattr(order, "SETTLING_SECONDS", 0.0)
        finding = order.order(installation, project)
    finally:
        for each in listed:
            client.set_score(each.id, each.score or 0.0)
    assert (soon.state, soon.got.startswith("not yet: the task at place")) == (State.WARN, True), soon
    assert (finding.state, "the task at place" in finding.got) == (State.FAIL, True), finding
    assert order.order(installation, project).state is State.OK


def test_an_order_that_is_wrong_for_the_mirrors_sake_alone_is_told_as_such(
    home: Home, project: Project, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "SETTLING_SECONDS", 0.0)
    monkeypatch.setattr(mirrored, "FRESH", timedelta(0))
    mirror, api = Mirror(home.container, project.id), home.container.label_studio_api
    read = mirror.unread()[: len(list_accounts(api)) + 2]
    with nothing_mirrored(home):
        made = [api.post(f"/api/tasks/{task}/annotations/", {"result": []})["id"] for task in read]
        wait_until(lambda: order.order(installation, project).state is State.FAIL, "the mirror behind")
        finding = order.order(installation, project)
    with paused(home, WORKER_LIGHT):
        silent = order.order(installation, project)
    for annotation in made:
        api.delete(f"/api/annotations/{annotation}/")
    assert (finding.state, "though worker-light answers" in finding.got) == (State.FAIL, True), finding
    assert "logs worker-light" in finding.todo.here
    assert (silent.state, "since worker-light does not answer" in silent.got) == (State.FAIL, True), silent
    wait_until(lambda: mirrored.mirror(installation, project).state is State.OK, "level again")
    assert order.order(installation, project).state is State.OK


def test_frames_that_are_not_served_are_told(
    home: Home, project: Project, installation: Installation
) -> None:
    folder = home.settings.frames_dir / "all"
    assert label_studio.frames_served(installation).state is State.OK
    folder.rename(folder.with_name("elsewhere"))
    try:
        with pytest.raises(NotFound):
            label_studio.frames_served(installation)
    finally:
        folder.with_name("elsewhere").rename(folder)


def test_a_label_that_is_not_copied_is_told(
    home: Home, project: Project, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(home.container, project.id)
    task = mirror.queue()[-1]
    api = home.container.label_studio_api
    with paused(home, WORKER_LIGHT):
        made = api.post(f"/api/tasks/{task}/annotations/", {"result": []})["id"]
        soon = mirrored.mirror(installation, project)
        monkeypatch.setattr(mirrored, "FRESH", timedelta(0))
        fails(lambda: mirrored.mirror(installation, project), f"1 missing here (number {made})")
        api.delete(f"/api/annotations/{made}/")
    assert (soon.state, "just being copied" in soon.todo.here) == (State.WARN, True), soon
    wait_until(lambda: mirrored.mirror(installation, project).state is State.OK, "level again")
