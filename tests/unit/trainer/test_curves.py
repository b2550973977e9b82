from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.discs import draw_disc
from trainer.curves import PREDICTION, TRUTH, CurvePoint, draw_learning_curve, draw_sheet


def picture_at(path: Path) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3)."""
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.uint8)


def test_a_learning_curve_is_a_picture_with_both_lines(tmp_path: Path) -> None:
    points = [
        CurvePoint(1, 20, 0.71, 0.68, True),
        CurvePoint(2, 40, None, 0.8, True),
        CurvePoint(3, 60, 0.8, 0.79, False),
    ]
    draw_learning_curve(points, tmp_path / "curve.png")
    picture = picture_at(tmp_path / "curve.png")
    assert picture.shape[1] == 840
    for colour in ((0x1B, 0x78, 0x37), (0x76, 0x2A, 0x83)):
        assert (np.abs(picture.astype(int) - colour).max(axis=2) < 10).sum() > 100


def test_no_rounds_give_an_empty_plot(tmp_path: Path) -> None:
    draw_learning_curve([], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_sheet_shows_truth_in_green_and_prediction_in_red(tmp_path: Path) -> None:
    image, mask = draw_disc(1, 150, 200)
    shifted = np.roll(mask, 30, axis=2)
    draw_sheet(
        [(image, mask, shifted), (image, mask, None), (image[:, :100], None, None)],
        tmp_path / "s.png",
        columns=2,
    )
    sheet = picture_at(tmp_path / "s.png")
    assert sheet.shape == (512, 512, 3)
    left, right = sheet[:256, :256], sheet[:256, 256:]
    assert (left == TRUTH).all(axis=2).sum() > 50 < (left == PREDICTION).all(axis=2).sum()
    assert (right == TRUTH).all(axis=2).any()
    assert not (right == PREDICTION).all(axis=2).any()
    assert not sheet[256:, 256:].any(), "the last cell has no frame"


def test_no_frames_give_a_black_sheet(tmp_path: Path) -> None:
    draw_sheet([], tmp_path / "s.png")
    assert not picture_at(tmp_path / "s.png").any()
