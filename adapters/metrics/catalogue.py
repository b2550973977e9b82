"""Every figure of ours: its name, kind and labels, what it means, and which process shows it.

Names end in their unit (seconds, bytes) or, where they only rise, in `_total`. A project is named by its
number, and no label holds anything that a person could be known by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SHORT = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0)
EPOCH = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)


class Kind(StrEnum):
    """Prometheus' kinds of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Shown(StrEnum):
    """Where a figure is shown; HOME: what database, broker and disk say, which the backend shows."""

    HOME = "backend, for the home"
    BACKEND = "backend"
    WORKERS = "workers"
    BOTH = "backend, workers"


@dataclass(frozen=True)
class Spec:
    """One metric; `buckets` (upper bounds, s) for histograms only."""

    kind: Kind
    shown: Shown
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _home(meaning: str, *labels: str, kind: Kind = Kind.GAUGE) -> Spec:
    return Spec(kind, Shown.HOME, meaning, labels)


CATALOGUE: Mapping[str, Spec] = {
    "sonoloop_up": _home("Whether a part answers the backend, 1 or 0: `database`, `queue`.", "part"),
    "sonoloop_disk_free_bytes": _home("Room on the disk of the home."),
    "sonoloop_disk_size_bytes": _home("Size of the disk of the home."),
    "sonoloop_queue_messages": _home("Wake-up calls that wait for a worker.", "queue"),
    "sonoloop_inbox_pending": _home("Webhook events that are not followed yet."),
    "sonoloop_inbox_oldest_seconds": _home("Age of the oldest of them; 0 with none."),
    "sonoloop_outbox_pending": _home("Changes that Label Studio has not followed yet."),
    "sonoloop_outbox_oldest_seconds": _home("Age of the oldest of them; 0 with none."),
    "sonoloop_set_aside": _home("Inputs that could not be used and wait for a person.", "kind"),
    "sonoloop_last_sweep_timestamp_seconds": _home(
        "When the light worker last looked for work that nobody holds; beat wakes it for that."
    ),
    "sonoloop_last_reconcile_timestamp_seconds": _home(
        "When the mirror was last compared with Label Studio and whole; absent before.", "project"
    ),
    "sonoloop_webhooks_lost_total": _home(
        "Changed annotations that no webhook told of; the reconciler found them.",
        "project",
        kind=Kind.COUNTER,
    ),
    "sonoloop_counts_age_seconds": _home(
        "How long ago frames, labels and unread frames were counted; the more there are, the rarer."
    ),
    "sonoloop_frames": _home("Frames.", "project"),
    "sonoloop_labels": _home("Frames by the decision that gave their current mask.", "project", "decision"),
    "sonoloop_taught_labels": _home("Masks that the last judged round learned from.", "project"),
    "sonoloop_new_labels": _home("Masks that may teach and came after the last judged round.", "project"),
    "sonoloop_unread_frames": _home("Frames that stand ranked in Label Studio and want a reader.", "project"),
    "sonoloop_rounds": _home("Rounds by state.", "project", "state"),
    "sonoloop_round_epoch": _home("Epoch that the live round has come to; absent without one.", "project"),
    "sonoloop_round_epochs": _home("Epochs that it will take at most; absent until known.", "project"),
    "sonoloop_round_attempt": _home("Its attempt.", "project"),
    "sonoloop_round_unheld_seconds": _home(
        "For how long no worker has held the live round; 0 while one does, and without one.", "project"
    ),
    "sonoloop_champion_version": _home("Number of the model version in service.", "project"),
    "sonoloop_champion_dice": _home(
        "Its Dice on the held-out frames, empty ones counted as 1; absent for one that no round made.",
        "project",
    ),
    "sonoloop_label_to_champion_seconds": _home(
        "From the newest label that the last promoted round learned from to its promotion.", "project"
    ),
    "sonoloop_request_duration_seconds": Spec(
        Kind.HISTOGRAM, Shown.BACKEND, "Time to answer a request.", ("endpoint", "status"), SHORT
    ),
    "sonoloop_webhook_events_total": Spec(
        Kind.COUNTER,
        Shown.BACKEND,
        "Webhooks: `received`, `known` (came before), `ignored` (of no concern), `refused` (without the "
        "secret), `unusable` (no event of ours), `too_large`, or `failed` (the backend could not note it).",
        ("outcome",),
    ),
    "sonoloop_loaded_version": Spec(
        Kind.GAUGE, Shown.BACKEND, "Number of the model version that the backend answers with.", ("project",)
    ),
    "sonoloop_frame_duration_seconds": Spec(
        Kind.HISTOGRAM,
        Shown.BOTH,
        "Time that a model took for a frame: to `draw` it on demand, or to `examine` (draw and rank) it.",
        ("call",),
        SHORT,
    ),
    "sonoloop_task_duration_seconds": Spec(
        Kind.HISTOGRAM,
        Shown.WORKERS,
        "Time of a task that ended `done`, `put_off` (a service was away), `failed` or `crashed` (a bug).",
        ("job", "outcome"),
        LONG,
    ),
    "sonoloop_mirrored_annotations_total": Spec(
        Kind.COUNTER,
        Shown.WORKERS,
        "Annotations looked at because of a `webhook` or by the `reconciler`, and what became of them.",
        ("found_by", "outcome"),
    ),
    "sonoloop_pushed_predictions_total": Spec(
        Kind.COUNTER, Shown.WORKERS, "Predictions sent to Label Studio, counted at the end of a run."
    ),
    "sonoloop_epoch_duration_seconds": Spec(
        Kind.HISTOGRAM, Shown.WORKERS, "Time of a training epoch.", (), EPOCH
    ),
    "sonoloop_training_peak_memory_bytes": Spec(
        Kind.GAUGE,
        Shown.WORKERS,
        "Most memory that the last training process held: `cpu` is its resident memory, `cuda` the GPU's.",
        ("device",),
    ),
}


def of_home() -> dict[str, Spec]:
    """Those that are looked up at a scrape."""
    return {name: spec for name, spec in CATALOGUE.items() if spec.shown is Shown.HOME}
