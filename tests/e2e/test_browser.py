"""A reader at work in a real browser, on a complete home; and what the mirror then says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from cli.work import export_dataset
from loop.masks import unpack
from loop.records import Decision, Purpose
from tests.conftest import ROOT
from tests.e2e.homes import Home, Mirror
from tests.e2e.pages import Point, Shots, Stream, log_in, open_page
from tests.machine import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(400)]

SCREENSHOTS = ROOT / "tests" / "screenshots"
MIRROR_SECONDS = 60.0

STROKE: tuple[Point, ...] = ((0.3, 0.45), (0.7, 0.45), (0.7, 0.5))
ON_STROKE: tuple[Point, ...] = ((0.4, 0.45), (0.6, 0.45), (0.7, 0.48))
"""Not the same when x and y are confused."""


@pytest.fixture
def mirror(home: Home) -> Mirror:
    with home.container.database.read() as uow:
        (project,) = (each for each in uow.projects.list() if each.title == "Sonoloop")
    return Mirror(home.container, project.id)


@pytest.fixture
def stream(chromium: Path, home: Home) -> Iterator[Stream]:
    """The link that `sonoloop up` printed, followed in a browser that was never used before."""
    with open_page(chromium) as page:
        yield log_in(page, home.link, *home.login)


@dataclass
class Reader:
    """Does what a person does, looks at what the page shows, and keeps what the mirror must say of it."""

    stream: Stream
    mirror: Mirror
    shots: Shots
    expected: dict[int, Decision] = field(default_factory=dict)

    def accept(self) -> None:
        self._look("proposal")
        self._submit(Decision.ACCEPTED)

    def fix(self) -> None:
        before = self._look("to-be-fixed")
        self.stream.select(0)
        self.stream.paint(STROKE)
        self.stream.wait_until_drawn(lambda drawn: drawn > before)
        self.shots.take(self.stream.page, "fixed-with-the-brush")
        self._submit(Decision.FIXED)

    def skip(self) -> None:
        self._look("to-be-skipped")
        self.expected[self.stream.task] = Decision.SKIPPED
        self.stream.skip()

    def delete_and_submit(self) -> None:
        self._look("to-be-deleted")
        self.stream.delete_all()
        self.stream.wait_until_drawn(lambda drawn: drawn == 0)
        self.shots.take(self.stream.page, "deleted")
        self._submit(Decision.NO_VEIN)

    def restore_and_submit(self) -> None:
        self._look("to-be-drafted")
        self.stream.select(0)
        with self.stream.autosave():
            self.stream.paint(STROKE)
        painted, task = self.stream.drawn(), self.stream.task
        self.stream.reload()
        assert self.stream.task == task
        self.stream.wait_until_drawn(lambda drawn: drawn == pytest.approx(painted, rel=0.02))
        self.shots.take(self.stream.page, "restored-draft")
        self._submit(Decision.FIXED)

    def draw_blind_frames(self) -> None:
        """Those that come now: held out, so the page opens with nothing drawn."""
        while self.mirror.prediction(self.stream.task).purpose is Purpose.ORDER_ONLY:
            assert (self.stream.regions.count(), self.stream.drawn()) == (0, 0)
            self.stream.page.keyboard.press("1")
            self.stream.paint(STROKE)
            self.stream.wait_until_drawn(bool)
            assert self.stream.regions.count() == 1
            self.shots.take(self.stream.page, "drawn-from-scratch")
            self._submit(Decision.FROM_SCRATCH)

    def _look(self, name: str) -> int:
        """The proposal is there: regions in the list, and their colour on the frame."""
        drawn = self.stream.wait_until_drawn(bool)
        assert self.stream.regions.count() > 0
        self.shots.take(self.stream.page, name)
        return drawn

    def _submit(self, decision: Decision) -> None:
        self.expected[self.stream.task] = decision
        self.stream.submit()


def test_what_a_reader_does_in_the_browser_is_in_the_mirror_and_in_the_export(
    stream: Stream, mirror: Mirror, home: Home, tmp_path: Path, say: Callable[[str], None]
) -> None:
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    reader = Reader(stream, mirror, Shots(SCREENSHOTS))
    queue = mirror.queue()
    deeds = (reader.accept, reader.fix, reader.skip, reader.delete_and_submit, reader.restore_and_submit)
    for deed in deeds:
        reader.draw_blind_frames()
        deed()
    assert list(reader.expected) == queue[: len(reader.expected)]
    assert Decision.FROM_SCRATCH in reader.expected.values()
    seconds = wait_until(lambda: reader.expected.keys() <= mirror.masks().keys(), "mirror", MIRROR_SECONDS)
    say(f"all {len(reader.expected)} in the mirror {seconds:.1f} s after the last")
    assert mirror.decisions() == reader.expected
    for task in reader.expected:
        check(mirror, task)
    export_dataset(home.settings.root, tmp_path / "dataset", mirror.project_id)
    check_export(tmp_path / "dataset", mirror, reader.expected)


def check(mirror: Mirror, task: int) -> None:
    """Who read it, for how long, what was shown, and how near the result is to that."""
    version, shown = mirror.masks()[task], mirror.prediction(task)
    assert version.reader_id is not None
    assert version.seconds is not None
    assert 0 < version.seconds < 400
    assert version.proposal_id == (None if version.decision is Decision.FROM_SCRATCH else shown.id)
    similarity = version.dice_to_proposal
    match version.decision:
        case Decision.ACCEPTED:
            assert (similarity, version.mask_digest) == (1.0, shown.mask_digest)
        case Decision.FIXED:
            assert similarity is not None
            assert 0 < similarity < 1
            assert is_on_stroke(mask_of(mirror, task))
        case Decision.NO_VEIN:
            assert similarity == 0.0
            assert not mask_of(mirror, task).any()
        case Decision.SKIPPED:
            assert (similarity, version.mask_digest) == (None, None)
        case Decision.FROM_SCRATCH:
            assert similarity is None
            assert is_on_stroke(mask_of(mirror, task))


def check_export(folder: Path, mirror: Mirror, decisions: Mapping[int, Decision]) -> None:
    """COCO, read by its own library, and the mask pictures: pixel by pixel what the mirror has."""
    coco = COCO(folder / "coco" / "annotations" / "instances_all.json")
    image_of = {Path(image["file_name"]).stem: image["id"] for image in coco.loadImgs(coco.getImgIds())}
    kept = [task for task, decision in decisions.items() if decision is not Decision.SKIPPED]
    assert len(image_of) == len(kept)
    for task in kept:
        (truth,), name = mask_of(mirror, task), mirror.frame(task).digest[:16]
        drawn = np.zeros_like(truth)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[image_of[name]])):
            drawn |= coco.annToMask(annotation).astype(bool)
        assert np.array_equal(drawn, truth)
        assert np.array_equal(np.asarray(Image.open(folder / "masks" / f"{name}.png")) > 0, truth)


def mask_of(mirror: Mirror, task: int) -> NDArray[np.bool_]:
    digest = mirror.masks()[task].mask_digest
    assert digest is not None
    return unpack(mirror.container.storage.get("masks", digest))


def is_on_stroke(mask: NDArray[np.bool_]) -> bool:
    _, height, width = mask.shape
    return all(mask[0, int(y * height), int(x * width)] for x, y in ON_STROKE)
