"""The composition root: the one place that knows every adapter and hands them out as the loop's ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial

from prometheus_client import CollectorRegistry

from adapters.brush import SdkBrushCodec
from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.pace import Pace
from adapters.metrics.instruments import BackendMetrics, ModelMetrics, WorkerMetrics, new_registry
from adapters.metrics.standing import StandingCollector
from adapters.owners import Guard, require_owner
from adapters.queue import BackgroundQueue, CeleryQueue
from adapters.segmenters import StoredSegmenters
from adapters.settings import Settings
from adapters.storage.images import StoredImages
from adapters.storage.local import LocalStorage
from adapters.storage.objects import ObjectStorage
from adapters.storage.opening import open_storage
from db import SqlDatabase, open_database
from loop.mirror import IngestPorts
from loop.planning import RoundPorts, RoundRules
from loop.policy import TriggerRule
from loop.ports import Clock
from loop.preannotate import PreannotatePorts, PreannotateRules
from loop.ranking import QueueRule
from loop.restoring import RestorePorts
from loop.serving import ServingPorts


def build(settings: Settings) -> Container:
    """Everything that one home needs; nothing is opened before it is used."""
    return Container(settings)


def label_studio_guard(settings: Settings) -> Guard | None:
    """What looks, where the home runs Label Studio itself, whether it is the one that listens."""
    if not settings.has_own_label_studio:
        return None
    lock = settings.service_lock("label-studio")
    return partial(require_owner, lock, settings.label_studio_port, "label-studio")


def utc_now() -> datetime:
    """The present as timezone-aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Container:
    """The parts of one home, each made at its first use and kept; heavy imports wait for that moment too."""

    settings: Settings
    clock: Clock = utc_now

    @cached_property
    def database(self) -> SqlDatabase:
        """The database, brought up to the present schema."""
        return open_database(self.settings.effective_database_url)

    @cached_property
    def storage(self) -> LocalStorage | ObjectStorage:
        """Frames, masks and models by digest."""
        return open_storage(self.settings.root, self.settings.storage_url)

    @cached_property
    def images(self) -> StoredImages:
        """Pixels of stored frames."""
        return StoredImages(self.storage)

    @cached_property
    def codec(self) -> SdkBrushCodec:
        """Label Studio's run-length code."""
        return SdkBrushCodec()

    @cached_property
    def queue(self) -> CeleryQueue:
        """Wake-up calls to the workers, sent before the caller goes on."""
        return CeleryQueue(self.settings)

    @cached_property
    def background_queue(self) -> BackgroundQueue:
        """The same for callers that must not wait; calls that cannot be sent are dropped for the sweeper."""
        return BackgroundQueue(self.queue)

    @cached_property
    def label_studio_api(self) -> Api:
        """Label Studio's HTTP API, as the first account."""
        token = self.settings.label_studio_token.get_secret_value()
        return Api(self.settings.effective_label_studio_url, token, guard=label_studio_guard(self.settings))

    @cached_property
    def label_studio(self) -> LabelStudioClient:
        """What the loop asks of Label Studio."""
        return LabelStudioClient(self.label_studio_api, Pace(self.settings.label_studio_share))

    @cached_property
    def segmenters(self) -> StoredSegmenters:
        """Loads model versions."""
        return StoredSegmenters(self.settings, self.database, self.storage, self.model_metrics)

    @cached_property
    def registry(self) -> CollectorRegistry:
        """The figures of this process; each group of them joins it when it is first asked for."""
        return new_registry()

    @cached_property
    def model_metrics(self) -> ModelMetrics:
        """How long models take for a frame."""
        return ModelMetrics(self.registry)

    @cached_property
    def backend_metrics(self) -> BackendMetrics:
        """What the backend counts."""
        return BackendMetrics(self.registry)

    @cached_property
    def worker_metrics(self) -> WorkerMetrics:
        """What a worker counts."""
        return WorkerMetrics(self.registry)

    @cached_property
    def standing(self) -> StandingCollector:
        """What database, broker and disk say; of a whole home one process shows it, the backend."""
        collector = StandingCollector(
            lambda: self.database, self.queue.lengths, self.settings.root, self.clock
        )
        self.registry.register(collector)
        return collector

    @cached_property
    def ingest_ports(self) -> IngestPorts:
        """For `loop.ingest`."""
        return IngestPorts(self.database, self.storage, self.label_studio, self.codec, self.clock)

    @cached_property
    def round_ports(self) -> RoundPorts:
        """For `loop.planning`, `loop.rounds`, `loop.sweep` and `loop.versions`."""
        return RoundPorts(self.database, self.queue, self.clock)

    @cached_property
    def restore_ports(self) -> RestorePorts:
        """For `loop.restoring`."""
        return RestorePorts(self.ingest_ports, self.queue)

    @cached_property
    def serving_ports(self) -> ServingPorts:
        """For `loop.serving`."""
        return ServingPorts(self.database, self.label_studio, self.clock)

    @cached_property
    def round_rules(self) -> RoundRules:
        """When rounds are due and how long a silent worker keeps one."""
        settings = self.settings
        trigger = TriggerRule(settings.min_new_labels, settings.min_growth)
        return RoundRules(trigger=trigger, lease_seconds=settings.lease_seconds, seed=settings.seed)

    @cached_property
    def preannotate_ports(self) -> PreannotatePorts:
        """For `loop.preannotate`: without labels the first choice covers the pool; later the least sure come
        first, with noise that falls from model to model.
        """
        from trainer.sampling import beta_of_round, noisy_top, spread

        return PreannotatePorts(
            self.database,
            self.storage,
            self.label_studio,
            self.codec,
            self.clock,
            self.images,
            self.segmenters,
            sampler_of=lambda number: noisy_top(beta_of_round(number)),
            first_sampler=spread,
        )

    @cached_property
    def preannotate_rules(self) -> PreannotateRules:
        """Which uncertainty ranks the queue, the shares of its arms, and how much is done before a switch."""
        settings = self.settings
        return PreannotateRules(
            strategy=settings.strategy,
            score_limit=settings.score_limit,
            push_limit=settings.push_limit,
            queue=QueueRule(random_share=settings.random_share, blind_share=settings.blind_share),
            seed=settings.seed,
        )

    def close(self) -> None:
        """Let go of connections and threads of the parts that were made."""
        closers: dict[str, Callable[[], None]] = {
            "background_queue": lambda: self.background_queue.close(),
            "queue": lambda: self.queue.close(),
            "label_studio_api": lambda: self.label_studio_api.close(),
            "database": lambda: self.database.close(),
        }
        for name, close in closers.items():
            if name in self.__dict__:
                close()
