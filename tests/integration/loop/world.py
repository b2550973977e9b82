"""Everything that the use cases touch, and short words for what people do with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.brush import SdkBrushCodec
from adapters.formats.pixels import encode_png
from db import SqlDatabase
from loop.frames import frame_digest
from loop.intake import Added, IntakePorts, SplitRule, add_frames
from loop.masks import Mask, unpack
from loop.mirror import IngestPorts
from loop.planning import RoundPorts
from loop.preannotate import Followed, PreannotatePorts, PreannotateRules, follow_champion
from loop.records import Frame, MaskVersion, ModelVersion, NewFrame, Project
from loop.regions import mask_to_result
from loop.serving import ServingPorts, put_into_service
from tests.fakes.clock import ManualClock
from tests.fakes.crash import Fragile, FragileDatabase, Fuse
from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.queue import FakeQueue
from tests.fakes.segmenters import FakeImages, FakeSegmenters
from tests.fakes.storage import MemoryStorage
from tests.invariants import Parts
from trainer.sampling import spread, top

HEIGHT, WIDTH = 16, 20
CODEC = SdkBrushCodec()


def picture(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A grey frame with one bright blob, different for every number."""
    generator = np.random.default_rng(number)
    image = generator.integers(0, 60, (HEIGHT, WIDTH)).astype(np.uint8)
    y, x = 3 + number % 8, 4 + number % 11
    image[y : y + 3, x : x + 4] = 200
    image[y + 3, x] = 130  # seen by some versions only
    return image


class World:
    """A project with frames in Label Studio; `model()` registers versions, the rest is what people do."""

    def __init__(
        self, url: str, *, clips: int = 8, per_clip: int = 4, classes: tuple[str, ...] = ("Vein",)
    ) -> None:
        self.database = SqlDatabase(url)
        self.clock = ManualClock()
        self.studio = FakeLabelStudio(self.clock)
        self.storage = MemoryStorage()
        self.queue = FakeQueue()
        self.images = FakeImages()
        self.segmenters = FakeSegmenters(classes)
        self.fuse = Fuse()
        self.pictures = 0
        with self.database.write() as uow:
            self.project = uow.projects.add("Veins", classes, {})
            uow.projects.set_label_studio_id(self.project.id, self.studio.create_project())
            uow.commit()
        if clips:
            self.add(clips, per_clip)

    # ports

    @property
    def ingest(self) -> IngestPorts:
        return IngestPorts(self._database, self._storage, self._studio, CODEC, self.clock)

    @property
    def rounds(self) -> RoundPorts:
        return RoundPorts(self._database, self.queue, self.clock)

    @property
    def serving(self) -> ServingPorts:
        return ServingPorts(self._database, self._studio, self.clock)

    @property
    def intake(self) -> IntakePorts:
        return IntakePorts(self._database, self._studio, self.queue, self.clock)

    @property
    def preannotate(self) -> PreannotatePorts:
        return PreannotatePorts(
            database=self._database,
            storage=self._storage,
            label_studio=self._studio,
            codec=CODEC,
            clock=self.clock,
            images=self.images,
            segmenters=self.segmenters,
            sampler_of=lambda _: top,
            first_sampler=spread,
        )

    @property
    def _database(self) -> Any:
        return FragileDatabase(self.database, self.fuse)

    @property
    def _studio(self) -> Any:
        return Fragile(self.studio, self.fuse)

    @property
    def _storage(self) -> Any:
        return Fragile(self.storage, self.fuse)

    # what happens

    def new_frames(self, clips: int, per_clip: int, prefix: str = "clip") -> list[NewFrame]:
        frames = []
        for index in range(clips * per_clip):
            image = picture(self.pictures)
            self.pictures += 1
            digest = frame_digest(image)
            self.images.pixels[digest] = image
            self.storage.put("frames", digest, encode_png(image))
            clip = f"{prefix}-{index // per_clip}"
            frames.append(NewFrame(digest, WIDTH, HEIGHT, clip, None, is_held_out=False))
        return frames

    def add(self, clips: int, per_clip: int, prefix: str = "clip") -> Added:
        frames = self.new_frames(clips, per_clip, prefix)
        return add_frames(self.intake, SplitRule(), self.project.id, frames)

    def model(
        self, origin: str = "phantoms", *, serves: bool = True, config: Mapping[str, Any] | None = None
    ) -> ModelVersion:
        """Register a version and put it into service."""
        with self.database.write() as uow:
            version = uow.models.add(
                self.project.id,
                digest=self.weights(f"version {len(uow.models.list(self.project.id))}"),
                round_id=None,
                origin=origin,
                config=config or {},
                metrics={},
                now=self.clock(),
            )
            if serves:
                put_into_service(uow, self.project.id, version.id, self.clock())
            uow.commit()
        return version

    def weights(self, content: str) -> str:
        """Store bytes that stand for a network, and give their digest."""
        digest = hashlib.sha256(content.encode()).hexdigest()
        self.storage.put("models", digest, content.encode())
        return digest

    def follow(self, **rules: Any) -> Followed:
        return follow_champion(self.preannotate, PreannotateRules(**rules), self.project.id)

    def read_next(self, user_id: int = 2) -> tuple[Frame, int | None, Sequence[Any]]:
        """Open the next task: its frame, and key and regions of the prediction that is shown."""
        task = self.studio.next_task(self.label_studio_id, user_id)
        assert task is not None
        shown = self.studio.shown_prediction(task.id)
        return self.frame_of(task.id), shown.id if shown else None, shown.result if shown else []

    def submit(self, frame: Frame, mask: Mask, *, user_id: int = 2, parent: int | None = None) -> int:
        assert frame.task_id is not None
        result = mask_to_result(mask, self.project.classes, CODEC, "reader")
        return self.studio.annotate(frame.task_id, result, user_id=user_id, parent_prediction=parent)

    def label(self, count: int) -> list[int]:
        """Let a reader submit the truth for the next `count` frames."""
        ids = []
        for _ in range(count):
            frame, parent, _ = self.read_next()
            ids.append(self.submit(frame, self.truth(frame), parent=parent))
        return ids

    # what can be seen

    @property
    def parts(self) -> Parts:
        """For the checker of `tests.invariants`."""
        return Parts(
            self.database,
            self.storage,
            self.images,
            self.studio,
            CODEC,
            self.clock,
            served=self.studio.model_versions.__getitem__,
        )

    @property
    def label_studio_id(self) -> int:
        found = self.now().label_studio_id
        assert found is not None
        return found

    def now(self) -> Project:
        with self.database.read() as uow:
            return uow.projects.get(self.project.id)

    def frames(self) -> list[Frame]:
        with self.database.read() as uow:
            return uow.frames.list(self.project.id)

    def frame_of(self, task_id: int) -> Frame:
        with self.database.read() as uow:
            frame = uow.frames.find_by_task(task_id)
        assert frame is not None
        return frame

    def truth(self, frame: Frame) -> Mask:
        first = self.images.pixels[frame.digest] > 150
        return np.stack([first, *[np.zeros_like(first)] * (len(self.project.classes) - 1)])

    def history(self, frame: Frame) -> list[MaskVersion]:
        with self.database.read() as uow:
            return uow.masks.history(frame.id)

    def current(self) -> list[MaskVersion]:
        with self.database.read() as uow:
            return uow.masks.current(self.project.id)

    def stored_mask(self, version: MaskVersion) -> Mask:
        assert version.mask_digest is not None
        return unpack(self.storage.get("masks", version.mask_digest))

    def set_aside(self) -> dict[str, str]:
        with self.database.read() as uow:
            return {entry.subject: entry.message for entry in uow.marks.list_set_aside()}

    def pushed(self) -> list[tuple[int, str, float, str]]:
        """What Label Studio holds: task, version, place and result, sorted."""
        return sorted(
            (item.task_id, item.model_version, round(item.score, 12), json.dumps(item.result))
            for item in self.studio.stored_predictions.values()
        )

    def restart(self, at: int = 0) -> None:
        """A new process after a crash, once the dead one's leases have run out; it dies at step `at`."""
        self.fuse = Fuse(at)
        self.clock.advance(3600)


def assert_no_pair_twice(world: World) -> None:
    """Label Studio holds one prediction of each version on each task at most."""
    pairs = [(item.task_id, item.model_version) for item in world.studio.stored_predictions.values()]
    assert len(set(pairs)) == len(pairs)
