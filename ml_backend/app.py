"""The Flask app that Label Studio calls: each view checks, calls one function, and answers in JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from flask import Flask, Response, jsonify, request

from adapters.bootstrap import Container
from loop.errors import NotFound, Unavailable
from loop.events import parse_event
from loop.ingest import keep_event
from loop.planning import plan
from loop.ports import Job
from loop.records import Project
from ml_backend.access import MAX_BODY_BYTES, Access, access_of, limit_of
from ml_backend.answers import Answer, guard_answers
from ml_backend.champions import Champions
from ml_backend.figures import Figures
from ml_backend.protocol import START_TRAINING, body_of, project_key, tasks_of

PREDICTIONS_AT_ONCE = 8
"""How many /predict may wait for their turn; more would leave no thread for webhooks."""
KEY_SHOWN = 200
"""Characters of an event's key that a log line holds."""

log = structlog.get_logger()


def create_app(container: Container, champions: Champions, access: Access | None = None) -> Flask:
    """The server's app over the loaded champions; nothing is opened before the first request. Without an
    `access` it is opened by the secrets of the home.
    """
    access = access or access_of(container.settings)
    app = Flask("sonoloop", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["PROPAGATE_EXCEPTIONS"] = False
    views = Views(container, champions)
    app.get("/health")(views.health)
    app.post("/setup")(views.setup)
    app.post("/predict")(views.predict)
    app.post("/webhook")(views.webhook)
    app.route("/versions", methods=["GET", "POST"])(views.versions)
    figures = Figures(container, champions)
    app.get("/metrics")(figures.metrics)
    app.before_request(figures.begin)
    app.before_request(partial(_check, access))
    app.before_request(_limit_body)
    app.after_request(figures.end)
    guard_answers(app)
    return app


def _check(access: Access) -> None:
    access.check(request)


def _limit_body() -> None:
    request.max_content_length = limit_of(request.endpoint)


class Views:
    """The calls of Label Studio 1.23, from callers that `Access` let in."""

    def __init__(self, container: Container, champions: Champions) -> None:
        self._container = container
        self._champions = champions
        self._waiting = threading.BoundedSemaphore(PREDICTIONS_AT_ONCE)
        self._events = container.backend_metrics.webhook_events

    def health(self) -> Response:
        """Answers once the models are loaded: the port is not opened before."""
        return jsonify(status="UP", model_class="SonoloopModel")

    def setup(self) -> Response:
        """The version really loaded; empty before any, and for a project that is just being made."""
        key = project_key(body_of(request))
        project = self._find_project(key) if key is not None else None
        model = self._champions.of(project) if project else None
        return jsonify(model_version=model.version.name if model else "")

    def predict(self) -> Response:
        """As many results as tasks, in order."""
        body = body_of(request)
        tasks = tasks_of(body)
        project = self._project(project_key(body))
        model = self._champions.of(project)
        if model is None:
            # An empty answer would be stored as a proposal; an error leaves the page without one.
            raise Unavailable("a call for predictions before any model", "a model", "label some frames first")
        with self._turn():
            return jsonify(results=model.predict(tasks), model_version=model.version.name)

    def webhook(self) -> Answer:
        """Notes the event and returns at once; the worker asks Label Studio for the rest."""
        body = body_of(request)
        if body.get("action") == START_TRAINING:
            return self._start_training(self._project(project_key(body)))
        event = parse_event(body)
        if event is None:
            self._events.labels("ignored").inc()
            return jsonify(status="known")
        with self._container.database.note() as uow:  # a hint: the reconciler would find it by itself
            is_new = keep_event(uow, event, self._container.clock())
            if is_new:
                uow.after_commit(lambda: self._container.background_queue.enqueue(Job.INGEST))
            uow.commit()
        self._events.labels("received" if is_new else "known").inc()
        log.info("webhook_noted" if is_new else "webhook_known", event_key=event.key[:KEY_SHOWN])
        return jsonify(status="noted" if is_new else "known"), 201 if is_new else 200

    def versions(self) -> Response:
        """Names of all model versions, newest first; of one project where Label Studio names it."""
        key = project_key(body_of(request)) if request.method == "POST" else None
        with self._container.database.read() as uow:
            projects = uow.projects.list() if key is None else [self._project(key)]
            names = [version.name for each in projects for version in reversed(uow.models.list(each.id))]
        return jsonify(versions=names)

    def _start_training(self, project: Project) -> Answer:
        planned = plan(self._container.round_ports, self._container.round_rules, project.id, is_forced=True)
        log.info("training_asked_for", project=project.id, reason=planned.trigger.reason)
        if planned.round is None:
            return jsonify(status="not planned", reason=planned.trigger.reason)
        return jsonify(status="planned", round=planned.round.number), 201

    def _project(self, label_studio_id: int | None) -> Project:
        project = self._find_project(label_studio_id) if label_studio_id is not None else None
        if project is None:
            raise NotFound(
                "a project that is not one of ours", "one made by Sonoloop", project=label_studio_id
            )
        return project

    def _find_project(self, label_studio_id: int) -> Project | None:
        with self._container.database.read() as uow:
            return uow.projects.find_by_label_studio_id(label_studio_id)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._waiting.acquire(blocking=False):
            raise Unavailable(f"more than {PREDICTIONS_AT_ONCE} calls for predictions", "fewer", "try again")
        try:
            yield
        finally:
            self._waiting.release()
