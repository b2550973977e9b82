"""What Label Studio 1.23 sends, checked and read: its project key, its tasks, its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Request
from werkzeug.exceptions import BadRequest as UnreadableBody

from loop.errors import BadEvent, BadRequest
from loop.events import LARGEST_ID

START_TRAINING = "START_TRAINING"
LONGEST_NUMBER = 18
"""Digits of the largest project id: what a database holds."""


def body_of(request: Request) -> Mapping[str, Any]:
    """The JSON object that was sent. Raises BadEvent for anything else."""
    try:
        body = request.get_json(force=True)
    except (UnreadableBody, RecursionError) as exc:  # no JSON, or nested a thousand times
        raise BadEvent("a body that is not JSON", "a JSON object that Label Studio sent") from exc
    if not isinstance(body, Mapping):
        raise BadEvent("a JSON body that is no object", "a JSON object that Label Studio sent")
    return body


def project_key(body: Mapping[str, Any]) -> int | None:
    """Label Studio's project id, from its key "<id>.<time of creation>" or from a project object; None: not
    named.

    Raises BadRequest for a key that cannot be read.
    """
    value = body.get("project")
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None:
        return None
    text = str(value).split(".")[0]
    if not (text.isascii() and text.isdigit()) or len(text) > LONGEST_NUMBER:
        raise BadRequest("a project key that cannot be read", "the key that Label Studio sends")
    return int(text)


def tasks_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tasks to draw, in order. Raises BadRequest for anything but objects with whole-numbered ids."""
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not all(_is_task(task) for task in tasks):
        raise BadRequest("a request without tasks", "a list of tasks as Label Studio sends them")
    return tasks


def _is_task(task: object) -> bool:
    if not isinstance(task, Mapping):
        return False
    number = task.get("id")
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < LARGEST_ID
