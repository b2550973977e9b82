"""What a process measures of itself while it works; each group lives in a registry that it is given."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from adapters.metrics.catalogue import CATALOGUE
from loop.mirror import Ingested

WEBHOOK_OUTCOMES = ("received", "known", "ignored", "refused", "unusable", "too_large", "failed")
FINDERS = ("webhook", "reconciler")


def new_registry() -> CollectorRegistry:
    """An empty registry but for the process's own memory, processor time and open files (on Linux)."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    return registry


class ModelMetrics:
    """How long a loaded model needs for a frame, wherever it is loaded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.frames = _histogram("sonoloop_frame_duration_seconds", registry)
        for call in ("draw", "examine"):
            self.frames.labels(call)


class BackendMetrics:
    """What Label Studio asks of the backend."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = _histogram("sonoloop_request_duration_seconds", registry)
        self.webhook_events = _counter("sonoloop_webhook_events_total", registry)
        self.loaded_version = _gauge("sonoloop_loaded_version", registry)
        for outcome in WEBHOOK_OUTCOMES:
            self.webhook_events.labels(outcome)


class WorkerMetrics:
    """What the workers do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tasks = _histogram("sonoloop_task_duration_seconds", registry)
        self.mirrored = _counter("sonoloop_mirrored_annotations_total", registry)
        self.pushed = _counter("sonoloop_pushed_predictions_total", registry)
        self.epochs = _histogram("sonoloop_epoch_duration_seconds", registry)
        self.training_memory = _gauge("sonoloop_training_peak_memory_bytes", registry)
        for finder in FINDERS:
            for outcome in Ingested:
                self.mirrored.labels(finder, outcome.name.lower())


def _histogram(name: str, registry: CollectorRegistry) -> Histogram:
    spec = CATALOGUE[name]
    return Histogram(name, spec.meaning, spec.labels, buckets=spec.buckets, registry=registry)


def _counter(name: str, registry: CollectorRegistry) -> Counter:
    return Counter(name, CATALOGUE[name].meaning, CATALOGUE[name].labels, registry=registry)


def _gauge(name: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, CATALOGUE[name].meaning, CATALOGUE[name].labels, registry=registry)
