"""Label Studio: it answers, knows us, is the right one, serves frames, and has the project as we need it."""

from __future__ import annotations

import re

from adapters.label_studio.api import understood
from adapters.label_studio.provision import BACKEND_TITLE, project_faults, webhook_faults
from cli.doctor.advice import PUT_RIGHT, RENEW_LABEL_STUDIO
from cli.doctor.findings import Check, Finding, fail, ok, warn
from cli.doctor.installation import ANSWER_SECONDS, Installation, ask
from cli.doctor.machine import LOCKS
from cli.project import backend_plan, project_plan
from loop.errors import Denied, NotFound
from loop.records import Frame, Project


@understood
def reachable(installation: Installation) -> Finding:
    """Its health page."""
    with installation.label_studio() as api:
        health = ask(api, "/health/")
    if health.get("status") != "UP":
        return fail("an answer that is not Label Studio's", "Label Studio", "mend SONOLOOP_LABEL_STUDIO_URL")
    return ok(installation.settings.effective_label_studio_url)


@understood
def token(installation: Installation) -> Finding:
    """Whether ours is taken, and for whom."""
    with installation.label_studio() as api:
        try:
            email = str(ask(api, "/api/current-user/whoami")["email"])
        except Denied:
            todo = "bring secrets.env back from the backup that this label-studio/ is from"
            return fail("a refusal of our token", "the token of this Label Studio", todo)
    if email != installation.settings.admin_email.lower():
        return warn(f"the account {email}", installation.settings.admin_email, "mend SONOLOOP_ADMIN_EMAIL")
    return ok(f"taken as {email}")


@understood
def version(installation: Installation) -> Finding:
    """Against the pinned one."""
    with installation.label_studio() as api:
        release = str(ask(api, "/api/version/")["release"])
    lock = LOCKS / "label-studio.lock"
    found = re.search(
        r"^label-studio==(\S+)", lock.read_text(encoding="utf-8") if lock.exists() else "", re.M
    )
    if not found:
        return warn(f"{release}, with no lock file to compare")
    if release != found[1]:
        return fail(release, found[1], RENEW_LABEL_STUDIO)
    return ok(release)


@understood
def frames_served(installation: Installation) -> Finding:
    """A frame by the address in its task, as a reader's page asks for it, against what is stored."""
    with installation.unit() as uow:
        frames = [frame for each in uow.projects.list() for frame in uow.frames.list(each.id)]
    frame = next((frame for frame in reversed(frames) if frame.task_id is not None), None)
    if frame is None:
        return ok("no frame yet")
    with installation.label_studio() as api:
        address = str(ask(api, f"/api/tasks/{frame.task_id}/")["data"]["image"])
        answer = api.send("GET", address, timeout=ANSWER_SECONDS)
    return _compare(installation, frame, answer.content)


def _compare(installation: Installation, frame: Frame, served: bytes) -> Finding:
    if served != installation.storage().get("frames", frame.digest):
        return fail("other bytes than the stored frame", "the frame", PUT_RIGHT)
    return ok(f"a frame of {len(served) / 1000:.0f} kB as it is stored")


@understood
def twin(installation: Installation, project: Project) -> Finding:
    """The project in Label Studio is there."""
    with installation.label_studio() as api:
        try:
            remote = ask(api, f"/api/projects/{project.label_studio_id}/")
        except NotFound:
            todo = "./sonoloop export takes the masks out; the project comes back with a backup"
            return fail("a project that was deleted in Label Studio", "its twin", todo)
    return ok(f"{remote['task_number']} tasks in Label Studio")


@understood
def setup(installation: Installation, project: Project) -> Finding:
    """It has our interface, order, version, backend and webhook; only the salt tells it for ours."""
    if not installation.settings.salt.get_secret_value():
        return warn("not looked at, since its mark is made with the salt, which is gone")
    with installation.unit() as uow:
        champion = uow.models.get(project.champion_id or 0).name
        is_behind = bool(uow.outbox.pending())
    plan = project_plan(installation.settings, project, champion)
    with installation.label_studio() as api:
        remote = ask(api, f"/api/projects/{project.label_studio_id}/")
        faults = project_faults(remote, plan)
        backends = ask(api, "/api/ml/", project=project.label_studio_id)
        hooks = ask(api, "/api/webhooks/", project=project.label_studio_id)
    states = {each["title"]: each["state"] for each in backends}
    faults += [] if states.get(BACKEND_TITLE) == "CO" else ["the connection to the ML backend"]
    faults += webhook_faults(hooks, int(project.label_studio_id or 0), backend_plan(installation.settings))
    if faults == ["model_version"] and is_behind:
        return warn(f"served by {remote['model_version']} still", champion, "look again in a minute")
    if faults:
        return fail(f"changed: {', '.join(faults)}", "as ./sonoloop up made it", PUT_RIGHT)
    return ok(f"served by {champion}, backend and webhook connected")


NAME = "label studio"
CHECKS = (
    Check(NAME, reachable),
    Check("token", token, after=(NAME,)),
    Check("version", version, after=(NAME,)),
    Check("frames served", frames_served, after=("token",)),
)
