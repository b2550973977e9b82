"""What the pictures of a comparison must tell apart."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from trainer.comparison.outlines import outline_legend, show_drawn, show_truth
from trainer.comparison.pictures import line_style

Pixels = NDArray[np.uint8]


def shown(truth: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> Pixels:
    """RGB of a black frame with both on it, (200, 200, 3)."""
    figure = Figure(figsize=(2, 2), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(np.zeros(truth.shape[1:]), cmap="gray", vmin=0, vmax=255)
    show_truth(axes, truth)
    show_drawn(axes, drawn)
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return np.asarray(Image.open(written).convert("RGB"))


def two_squares() -> NDArray[np.bool_]:
    """Class 0 on the left, class 1 on the right, bool (2, 20, 20)."""
    mask = np.zeros((2, 20, 20), np.bool_)
    mask[0, 5:15, 2:8] = True
    mask[1, 5:15, 12:18] = True
    return mask


def test_classes_that_were_swapped_can_be_seen() -> None:
    truth = two_squares()
    right, swapped = shown(truth, truth), shown(truth, truth[::-1])
    seen = np.abs(right.astype(int) - swapped).max(axis=2) > 60
    assert seen.sum() > 200  # both outlines have another colour
    assert {tuple(each) for each in right[100, [50, 150]]} != {tuple(right[100, 50])}, "areas of one colour"


def test_of_one_class_truth_and_drawing_are_lines_and_the_picture_stays_free() -> None:
    truth = two_squares()[:1]
    pixels = shown(truth, np.roll(truth, 3, axis=2))
    assert pixels[100, 40].max() == 0
    assert pixels.max() > 150


@pytest.mark.parametrize("classes", [("vein",), ("vein", "nerve"), tuple(map(str, range(12)))])
def test_the_legend_names_every_class_where_there_are_several(classes: tuple[str, ...]) -> None:
    labels = [handle.get_label() for handle in outline_legend(classes)]
    assert ("vein" in labels) == ("vein" in classes and len(classes) > 1)
    assert len(labels) == (2 if len(classes) == 1 else len(classes) + 2)


def test_no_two_networks_have_the_same_line() -> None:
    styles = {json.dumps(line_style(place)) for place in range(40)}
    assert len(styles) == 40


def test_a_class_that_was_not_drawn_leaves_no_trace() -> None:
    nothing = np.zeros((2, 20, 20), np.bool_)
    assert shown(nothing, nothing).max() == 0
