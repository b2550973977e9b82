"""Muscle bellies and bone: large dark or bright structures below the fat."""

from __future__ import annotations

import numpy as np

from trainer.phantoms.fields import smooth_curve, soft_step
from trainer.phantoms.outline import Outline, draw_outline, signed_distance, splat
from trainer.phantoms.tissue import Tissue, add_line, add_streaks


def add_muscles(rng: np.random.Generator, tissue: Tissue) -> None:
    """Up to four bellies, dark against their fascia, with bright fibres."""
    rows, columns = tissue.shape
    for _ in range(rng.integers(0, 5)):
        belly = draw_outline(
            rng,
            x=rng.uniform(-0.1, 1.1) * columns,
            y=rng.uniform(0.25, 0.95) * rows,
            diameter=rng.uniform(0.15, 0.6) * columns,
            ratio=rng.uniform(0.2, 0.75),
            tilt=rng.normal(0, 0.4),
            wobble=0.12,
        )
        _add_belly(rng, tissue, belly)


def _add_belly(rng: np.random.Generator, tissue: Tissue, belly: Outline) -> None:
    distance, window = signed_distance(belly, tissue.shape, 0)
    if not distance.size:
        return
    inside = soft_step(-distance, rng.uniform(1.5, 8) * tissue.scale)
    tissue.echo_db[window] -= np.float32(rng.uniform(3, 16)) * inside
    if rng.random() < 0.5:
        tissue.mirror[window] *= 1 - 0.8 * inside
    whole = np.zeros(tissue.shape, np.float32)
    whole[window] = inside
    add_streaks(rng, tissue, whole, int(rng.uniform(0, 60)), rng.uniform(-10, 3), rng.normal(0, 0.15))
    if rng.random() < 0.75:
        add_rim(rng, tissue, belly, rng.uniform(-8, 5))


def add_rim(rng: np.random.Generator, tissue: Tissue, outline: Outline, gain_db: float) -> None:
    """The fascia around an outline, gone where it runs along the beam."""
    x, y = outline.points()
    _, normal = outline.normals()
    turns = np.linspace(0, len(x), int(13 * outline.reach()) + 8, endpoint=False, dtype=np.float32)
    knots = np.arange(len(x) + 1)
    px, py, pn = (np.interp(turns, knots, np.append(v, v[0])).astype(np.float32) for v in (x, y, normal))
    gain = gain_db + 5 * smooth_curve(rng, len(turns), len(turns) / 12)
    step = np.hypot(np.gradient(px), np.gradient(py))
    splat(tissue.mirror, px, py, (10 ** (gain / 20) * pn**4 * step).astype(np.float32))


def add_bone(rng: np.random.Generator, tissue: Tissue, above: float) -> None:
    """A bright surface below row `above` with a shadow under it."""
    rows, columns = tissue.shape
    left = int(rng.uniform(-0.2, 0.9) * columns)
    x = np.arange(max(0, left), min(columns, left + int(rng.uniform(0.25, 0.9) * columns)))
    if len(x) < 20:
        return
    hump = np.linspace(-1, 1, len(x)) ** 2 * rng.uniform(-0.02, 0.14) * rows
    wave = 8 * tissue.scale * smooth_curve(rng, len(x), 50 * tissue.scale)
    y = (max(rng.uniform(0.45, 0.92) * rows, above + 0.05 * rows) + hump + wave).astype(np.float32)
    ends = np.minimum(np.arange(len(x)), np.arange(len(x))[::-1]) / (25 * tissue.scale)
    share = (1 - np.exp(-ends)).astype(np.float32)
    gain = rng.uniform(2, 12) + 3 * smooth_curve(rng, len(x), 30 * tissue.scale) - 12 * (1 - share)
    add_line(tissue, x.astype(np.float32), y, gain.astype(np.float32), 4)
    below = np.arange(rows, dtype=np.float32)[:, None] - y[None, :]
    shadow = (below > 3 * tissue.scale) & (below < 30 * tissue.scale)
    tissue.loss_db[:, x[0] : x[-1] + 1] += shadow * share * np.float32(rng.uniform(0.5, 1.2) / tissue.scale)
