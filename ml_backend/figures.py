"""The backend's figures: how long each call took, and the page that Prometheus reads."""

from __future__ import annotations

import time

from flask import Response, g, request

from adapters.bootstrap import Container
from adapters.metrics.exposition import page
from ml_backend.champions import Champions

REASONS = {401: "refused", 413: "too_large", 429: "refused"}
"""What became of a webhook, by the status that it got; one without the secret is forged, or ours is wrong."""


class Figures:
    """Watches every request; shows what this process counts and what the home's database says."""

    def __init__(self, container: Container, champions: Champions) -> None:
        self._registry = container.registry
        self._metrics = container.backend_metrics
        self._champions = champions
        container.standing  # noqa: B018, joins the registry

    def metrics(self) -> Response:
        """Figures in Prometheus' text format."""
        self._metrics.loaded_version.clear()
        for project_id, version in self._champions.versions().items():
            self._metrics.loaded_version.labels(project_id).set(version.number)
        body, content_type = page(self._registry)
        return Response(body, content_type=content_type)

    def begin(self) -> None:
        """Start the clock of a request."""
        g.began = time.monotonic()

    def end(self, answer: Response) -> Response:
        """Note how long the answer took; a path that we do not serve has no name of its own."""
        endpoint, status = request.endpoint or "none", answer.status_code
        self._metrics.requests.labels(endpoint, status).observe(time.monotonic() - g.began)
        if endpoint == "webhook" and status >= 400:
            self._metrics.webhook_events.labels(_outcome(status)).inc()
        return answer


def _outcome(status: int) -> str:
    return "failed" if status >= 500 else REASONS.get(status, "unusable")
