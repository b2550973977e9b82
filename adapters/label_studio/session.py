"""A reader at work, through the API as a browser uses it: log in, take the next task, submit, skip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import httpx

from adapters.label_studio.api import Api, understood
from adapters.owners import Guard
from loop.errors import BadRequest, Denied, NotFound

LOG_IN = "/user/login/"
NOTHING_LEFT = "There are no tasks"

Result = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ServedPrediction:
    """A prediction as the reader's page gets it; an empty `result` draws nothing."""

    id: int
    model_version: str
    score: float | None
    result: Result


@dataclass(frozen=True)
class ServedTask:
    """What the stream serves: `predictions` holds those of the served model version alone."""

    id: int
    data: Mapping[str, Any]
    predictions: tuple[ServedPrediction, ...]

    @property
    def shown(self) -> ServedPrediction | None:
        """The prediction that the page opens with, and names as its parent when the reader submits."""
        return self.predictions[0] if self.predictions else None


class ReaderSession:
    """One logged-in reader. Every call raises Unavailable, Denied, NotFound or BadRequest."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.user_id = _id_of(api.get("/api/current-user/whoami"))

    @classmethod
    def log_in(
        cls,
        url: str,
        email: str,
        password: str,
        transport: httpx.BaseTransport | None = None,
        guard: Guard | None = None,
    ) -> Self:
        """Begin a session. Raises Denied for an unknown email or a wrong password."""
        api = Api(url, transport=transport, guard=guard)
        try:
            if not post_form(api, LOG_IN, {"email": email, "password": password, "persist_session": "on"}):
                raise Denied("an unknown email or a wrong password", "a reader's account", "sign up first")
            return cls(api)
        except BaseException:
            api.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session's connections."""
        self._api.close()

    @property
    def cookies(self) -> Mapping[str, str]:
        """What makes a browser go on with this session."""
        return self._api.cookies

    def token(self) -> str:
        """This reader's own token for the API."""
        return str(self._api.get("/api/current-user/token")["token"])

    def next_task(self, project_id: int) -> ServedTask | None:
        """What the stream serves now, locked to this reader until it is done or the lock ends; None: nothing
        left.
        """
        try:
            return _served(self._api.get(f"/api/projects/{project_id}/next/"))
        except NotFound as exc:
            if NOTHING_LEFT in exc.message:
                return None
            raise

    def submit(
        self,
        task_id: int,
        result: Result,
        lead_time: float | None,
        parent_prediction: int | None,
        draft: int | None = None,
    ) -> int:
        """Submit and return the annotation's id; `parent_prediction` is the key of what was shown."""
        return self._annotate(task_id, result, lead_time, parent_prediction, draft_id=draft)

    def skip(
        self, task_id: int, result: Result, lead_time: float | None, parent_prediction: int | None
    ) -> int:
        """Skip: the page sends what it shows along, marked as cancelled."""
        return self._annotate(task_id, result, lead_time, parent_prediction, was_cancelled=True)

    def update(self, annotation_id: int, result: Result, lead_time: float | None) -> None:
        """Change what was submitted; the lead time is the sum over all edits."""
        self._api.patch(f"/api/annotations/{annotation_id}/", {"result": result, "lead_time": lead_time})

    def delete(self, annotation_id: int) -> None:
        """Delete what was submitted; its task is open again."""
        self._api.delete(f"/api/annotations/{annotation_id}/")

    def save_draft(self, task_id: int, result: Result, lead_time: float) -> int:
        """Keep unfinished work, as the page does by itself, and return the draft's id."""
        draft = self._api.post(f"/api/tasks/{task_id}/drafts", {"result": result, "lead_time": lead_time})
        return _id_of(draft)

    def fetch(self, address: str) -> bytes:
        """The image of a task as this reader may see it, by the address in the task's data."""
        return self._api.read(address).content

    def _annotate(
        self, task_id: int, result: Result, lead_time: float | None, parent: int | None, **more: Any
    ) -> int:
        body = {
            "result": result,
            "lead_time": lead_time,
            "parent_prediction": parent,
            "unique_id": str(uuid4()),
            **{name: value for name, value in more.items() if value is not None},
        }
        return _id_of(self._api.post(f"/api/tasks/{task_id}/annotations/", body))


def post_form(
    api: Api, path: str, fields: Mapping[str, str], params: Mapping[str, str] | None = None
) -> bool:
    """Fill in one of Label Studio's pages; True when it was accepted, which it says by leading elsewhere."""
    api.read(path, params)
    try:
        key = api.cookies["csrftoken"]
    except KeyError as exc:
        raise BadRequest(
            "a page without Label Studio's form", "Label Studio", "check the address of Label Studio"
        ) from exc
    headers = {"Referer": api.url + path}
    form = {**fields, "csrfmiddlewaretoken": key}
    return api.send("POST", path, params=params, data=form, headers=headers).is_redirect


@understood
def _id_of(entry: Mapping[str, Any]) -> int:
    return int(entry["id"])


@understood
def _served(entry: Mapping[str, Any]) -> ServedTask:
    predictions = tuple(
        ServedPrediction(each["id"], each["model_version"], each["score"], each["result"])
        for each in entry["predictions"]
    )
    return ServedTask(entry["id"], entry["data"], predictions)
