"""Makes a Label Studio project as the loop needs it, and puts it right at every start: all steps may repeat.

Order matters: the project gets its model version before the ML backend is connected, else Label Studio takes
the backend's title for it and serves in random order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from adapters.label_studio.api import Api, understood
from adapters.label_studio.config import label_config
from loop.errors import BadRequest, Unavailable

BACKEND_TITLE = "Sonoloop live"
STORAGE_TITLE = "Sonoloop frames"
SECRET_HEADER = "X-Sonoloop-Secret"  # noqa: S105 - its name
WEBHOOK_ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_DELETED",
)
TITLE_LENGTH = 3, 50

log = structlog.get_logger()
Json = Mapping[str, Any]


@dataclass(frozen=True)
class ProjectPlan:
    """The project wanted. `key` marks it as ours, so that one whose making was cut short is found again;
    `model_version` is the version whose predictions come first.
    """

    key: str
    title: str
    classes: Sequence[str]
    model_version: str


@dataclass(frozen=True)
class BackendPlan:
    """The ML backend as Label Studio reaches it, the account it asks for, the secret its webhook carries."""

    url: str
    user: str
    password: str
    webhook_secret: str


@understood
def ensure_project(api: Api, plan: ProjectPlan, known_id: int | None = None) -> int:
    """The id of the project, made when it is not there and changed where it differs from the plan.

    Raises NotFound when `known_id` was deleted in Label Studio, BadRequest for a refused title or class list.
    """
    wanted = _project_settings(plan)
    project = api.get(f"/api/projects/{known_id}/") if known_id else _find_project(api, plan)
    if project is None:
        created = api.post("/api/projects/", {**wanted, "model_version": plan.model_version})
        log.info("label_studio_project_created", project=created["id"])
        return int(created["id"])
    changed = {name: value for name, value in wanted.items() if project.get(name) != value}
    if changed:
        api.patch(f"/api/projects/{project['id']}/", changed)
        log.info("label_studio_project_repaired", project=project["id"], fields=sorted(changed))
    return int(project["id"])


@understood
def ensure_frames(api: Api, project_id: int, folder: Path) -> int:
    """The id of the storage that lets readers see the files of `folder`, a folder below the document root.

    It is never synchronised: tasks come by import, the storage only opens the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"project": project_id, "title": STORAGE_TITLE, "path": str(folder), "use_blob_urls": True}
    for storage in api.get("/api/storages/localfiles/", {"project": project_id}):
        if storage["path"] == str(folder):
            return int(storage["id"])
        if storage["title"] == STORAGE_TITLE:  # the home was moved
            return int(api.patch(f"/api/storages/localfiles/{storage['id']}", wanted)["id"])
    return int(api.post("/api/storages/localfiles/", wanted)["id"])


def ensure_backend(api: Api, project_id: int, plan: BackendPlan) -> int:
    """The id of the connected ML backend, which must be running, with its one webhook as we need it.

    Raises Unavailable when Label Studio cannot reach it with this account, BadRequest for an address that its
    webhooks could not have.
    """
    _check_host(plan.url)
    backend_id = _ensure_connected(api, project_id, plan)
    ensure_webhook(api, project_id, plan)
    return backend_id


@understood
def ensure_webhook(api: Api, project_id: int, plan: BackendPlan) -> int:
    """The id of the one webhook to the backend; Label Studio makes it bare, once for each address."""
    wanted = _webhook(project_id, plan)
    ours = [each for each in _webhooks(api, project_id) if _is_ours(each, wanted)]
    for surplus in ours[1:]:
        api.delete(f"/api/webhooks/{surplus['id']}/")
    if not ours:
        return int(api.post("/api/webhooks/", wanted)["id"])
    if _differs(ours[0], wanted):
        # Always whole: a change without the list of actions would empty that list.
        api.patch(f"/api/webhooks/{ours[0]['id']}/", wanted)
        log.info("label_studio_webhook_repaired", project=project_id)
    return int(ours[0]["id"])


def project_faults(project: Json, plan: ProjectPlan) -> list[str]:
    """The settings of a project, as the API gives them, in which it differs from the plan."""
    wanted = {**_project_settings(plan), "model_version": plan.model_version}
    return [name for name, value in wanted.items() if project.get(name) != value]


def webhook_faults(hooks: Sequence[Json], project_id: int, plan: BackendPlan) -> list[str]:
    """What is wrong with the project's webhooks; empty when there is one and it is as we need it."""
    wanted = _webhook(project_id, plan)
    ours = [each for each in hooks if _is_ours(each, wanted)]
    if len(ours) != 1:
        return [f"{len(ours)} webhooks in place of one"]
    return ["the webhook"] if _differs(ours[0], wanted) else []


def _project_settings(plan: ProjectPlan) -> dict[str, Any]:
    shortest, longest = TITLE_LENGTH
    if not shortest <= len(plan.title) <= longest:
        raise BadRequest(
            f"a title of {len(plan.title)} characters", f"{shortest} to {longest}", "choose another"
        )
    return {
        "title": plan.title,
        "description": _mark(plan),
        "label_config": label_config(plan.classes),
        "sampling": "Uncertainty sampling",
        "maximum_annotations": 1,
        "skip_queue": "REQUEUE_FOR_OTHERS",
        "show_collab_predictions": True,
        "evaluate_predictions_automatically": False,
    }


def _mark(plan: ProjectPlan) -> str:
    return f"Kept by Sonoloop ({plan.key})"


def _find_project(api: Api, plan: ProjectPlan) -> Json | None:
    listed = api.get("/api/projects/", {"title": plan.title, "page_size": 1000, "include": "id,description"})
    ours = [each for each in listed["results"] if each["description"] == _mark(plan)]
    project: Json | None = api.get(f"/api/projects/{ours[0]['id']}/") if ours else None
    return project


def _check_host(url: str) -> None:
    """Label Studio connects a backend under any name, but then silently makes no webhook for some."""
    host = urlsplit(url).hostname or ""
    if host != "localhost" and not set(".:") & set(host):
        raise BadRequest(
            f"a backend address with the host {host!r}",
            "localhost, a number, or a name with a dot in it",
            "set SONOLOOP_BACKEND_URL",
        )


@understood
def _ensure_connected(api: Api, project_id: int, plan: BackendPlan) -> int:
    wanted = {
        "project": project_id,
        "title": BACKEND_TITLE,
        "url": plan.url,
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": plan.user,
        "basic_auth_pass": plan.password,
        "is_interactive": False,
    }
    ours = [each for each in api.get("/api/ml/", {"project": project_id}) if each["title"] == BACKEND_TITLE]
    for surplus in ours[1:]:
        api.delete(f"/api/ml/{surplus['id']}")
    try:
        if not ours:
            return int(api.post("/api/ml/", wanted)["id"])
        if _is_connected(ours[0], plan):
            return int(ours[0]["id"])
        return int(api.patch(f"/api/ml/{ours[0]['id']}", wanted)["id"])
    except BadRequest as exc:
        raise Unavailable(
            f"no connection from Label Studio to the ML backend: {exc.got}",
            "a running backend that accepts this account",
            "start it, then run the same command again",
            project=project_id,
        ) from exc


def _is_connected(backend: Json, plan: BackendPlan) -> bool:
    """By its state as of this very look: listing backends makes Label Studio ask each for its health."""
    same = backend["url"] == plan.url and backend["basic_auth_user"] == plan.user
    return bool(same and backend["auth_method"] == "BASIC_AUTH" and backend["state"] == "CO")


def _webhook(project_id: int, plan: BackendPlan) -> dict[str, Any]:
    return {
        "project": project_id,
        "url": f"{plan.url.rstrip('/')}/webhook",
        "headers": {SECRET_HEADER: plan.webhook_secret},
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": list(WEBHOOK_ACTIONS),
        "is_active": True,
    }


def _webhooks(api: Api, project_id: int) -> list[Json]:
    hooks: list[Json] = api.get("/api/webhooks/", {"project": project_id})
    return hooks


def _is_ours(hook: Json, wanted: Json) -> bool:
    """The one Label Studio made for the present address, and those that we marked under an earlier one."""
    return hook["url"] == wanted["url"] or SECRET_HEADER in hook["headers"]


def _differs(hook: Json, wanted: Json) -> bool:
    same = all(hook[name] == value for name, value in wanted.items() if name != "actions")
    return not same or set(hook["actions"]) != set(wanted["actions"])
