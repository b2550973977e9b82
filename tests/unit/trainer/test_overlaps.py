"""Truth of several classes on one pixel, from COCO and from storage, against a perfect answer."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.formats.labelled import open_labelled
from cli.compare import CompareRequest, compare
from loop.errors import BadRequest
from loop.masks import Mask, index_map, pack, probs_to_mask
from loop.training_records import Split
from tests.fakes.segmenters import FakeSegmenter
from tests.unit.formats.exported import MULTI, exported
from trainer.dataset import FrameSet
from trainer.evaluation import evaluate
from trainer.job import Sample

CLASSES = ("Vein", "Artery")


class Perfect(FakeSegmenter):
    """It is certain of all that was drawn, both classes where there are two."""

    def __init__(self, truth: Mask) -> None:
        super().__init__(CLASSES, 0)
        self.truth = truth

    def predict(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.truth.astype(np.float32)


def stored(folder: Path, mask: Mask) -> Sample:
    paths = folder / "frame.png", folder / "mask.slm"
    cv2.imwrite(str(paths[0]), np.zeros(mask.shape[1:], np.uint8))
    paths[1].write_bytes(pack(mask))
    return Sample(1, "clip", Split.HELD_OUT, *paths)


@pytest.mark.parametrize("name", MULTI)
def test_a_perfect_answer_is_scored_as_one_where_classes_overlap(name: str, tmp_path: Path) -> None:
    sample = stored(tmp_path, MULTI[name])
    (outcome,) = evaluate([sample], Perfect(MULTI[name]), None).outcomes
    seen = index_map(MULTI[name])[0]
    assert outcome.candidate.to_dict()["tp"] == [int((seen == number).sum()) for number in (1, 2)]
    assert not outcome.candidate.fp.any()
    assert not outcome.candidate.fn.any()


def test_training_sees_the_class_that_is_scored(tmp_path: Path) -> None:
    mask = MULTI["overlapping"]
    frames = FrameSet([stored(tmp_path, mask)], 2, 128)
    seen = frames.prepared(0)[1]
    assert set(np.unique(seen)) == {0, 1, 2}
    first = (seen == 1).sum() / (seen == 2).sum()
    scored = probs_to_mask(mask.astype(np.float32))
    assert first == pytest.approx(scored[0].sum() / scored[1].sum(), rel=0.03)


def ask(data: Path, out: Path, classes: str | None) -> CompareRequest:
    return CompareRequest(data, "mobilenetv2-unet", out, classes, "paper", 64, 1, 0, "scratch", 1)


def test_compare_says_once_how_much_overlaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, out = exported(tmp_path, MULTI)
    counts = [index_map(mask)[1] for mask in MULTI.values()]
    assert min(count for count in counts if count) == 1
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("chapter 1")
    for classes, words in ((None, "Vein, Artery"), ("Artery,Vein", "Artery, Vein"), ("Artery", "")):
        with pytest.raises(BadRequest, match="holds something else"):
            compare(ask(out, taken, classes))
        said = " ".join(capsys.readouterr().out.split())
        warning = f"{sum(counts)} px of 3 frames belong to several classes: there the first of {words} counts"
        assert said.count(warning) == bool(words)
        assert ("several classes" in said) == bool(words)


def test_an_export_holds_what_was_drawn_whatever_is_scored(tmp_path: Path) -> None:
    _, truth, out = exported(tmp_path, MULTI)
    masks = {each.file.relative.name: each.mask for each in open_labelled(out, None).read()}  # type: ignore[union-attr]
    assert all(np.array_equal(masks[name], truth[name]) for name in truth)
