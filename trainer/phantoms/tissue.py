"""Soft tissue: laminar texture that drapes over vessels, fat with septa, fascia, skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from trainer.phantoms.fields import Array, smooth_curve, smooth_noise, soft_step
from trainer.phantoms.outline import Outline, specular, splat


@dataclass
class Tissue:
    """What the beam meets, as maps (H, W) float32; lengths scale with `scale` = px of a frame / 512."""

    echo_db: Array
    """Level of the diffuse echo."""
    mirror: Array
    """Amplitude of smooth interfaces."""
    loss_db: Array
    """Attenuation per px beyond what the time gain expects; negative in fluid."""
    flow: Array
    """Rows px by which a layer that would be flat is bent."""
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.echo_db.shape[0], self.echo_db.shape[1]


def draw_tissue(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, vessels: tuple[Outline, ...]
) -> Tissue:
    """Layers of soft tissue that bend around the vessels' outlines; the vessels themselves are not in it."""
    flow = _draw_flow(rng, shape, scale, vessels)
    tissue = Tissue(
        _draw_texture(rng, shape, scale, flow),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        flow,
        scale,
    )
    fat = _add_fat(rng, tissue, shape[0] * rng.uniform(0.06, 0.32))
    _add_fascias(rng, tissue, fat)
    add_streaks(rng, tissue, np.ones(shape, np.float32), int(rng.uniform(0, 320)), rng.uniform(-13, 0))
    _add_skin(rng, tissue)
    absorbing = np.maximum(smooth_noise(rng, shape, 40 * scale, 60 * scale), 0)
    tissue.loss_db += absorbing * np.float32(rng.uniform(0, 0.05) / scale)
    return tissue


def add_line(tissue: Tissue, x: Array, y: Array, gain_db: Array, thickness: float) -> None:
    """Add a bright interface along columns x at rows y px, fading where it slopes along the beam."""
    if len(x) < 3:
        return
    amplitude = (10 ** (gain_db / 20) * specular(np.gradient(y, x))).astype(np.float32)
    half = max(0, round(thickness * tissue.scale / 2))
    for offset in range(-half, half + 1):
        splat(tissue.mirror, x, y + offset, amplitude / np.float32(2 * half + 1))


def add_fascia(
    rng: np.random.Generator, tissue: Tissue, base: Array, gain_db: float, thickness: float
) -> None:
    """A line along the flow around rows `base` (W,), over a part of the width, its echo coming and going."""
    columns, scale = len(base), tissue.scale
    start = int(rng.uniform(-0.5, 0.8) * columns)
    x = np.arange(max(0, start), min(columns, start + int(rng.uniform(0.15, 1.3) * columns)))
    if len(x) < 12:
        return
    rows = np.clip(np.rint(base), 0, tissue.shape[0] - 1).astype(np.intp)
    wave = rng.uniform(0.3, 3) * scale * smooth_curve(rng, columns, rng.uniform(15, 60) * scale)
    y = (base + tissue.flow[rows, np.arange(columns)] + wave)[x].astype(np.float32)
    gain = gain_db + rng.uniform(2, 7) * smooth_curve(rng, len(x), rng.uniform(10, 45) * scale)
    ends = np.minimum(np.arange(len(x)), np.arange(len(x))[::-1]) / (14 * scale)
    gain = (gain - 14 * np.exp(-ends)).astype(np.float32)
    add_line(tissue, x.astype(np.float32), y, gain, thickness)
    _add_glow(tissue, x, y, gain - rng.uniform(0, 8), rng.uniform(2, 7) * scale)


def _add_glow(tissue: Tissue, x: NDArray[np.intp], y: Array, gain_db: Array, spread: float) -> None:
    """Dense fibrous tissue beside a fascia."""
    reach = int(2.5 * spread) + 1
    for offset in range(-reach, reach + 1):
        rows = np.rint(y).astype(np.intp) + offset
        inside = (rows >= 0) & (rows < tissue.shape[0])
        lift = np.clip(gain_db, 0, 9) * np.float32(np.exp(-0.5 * (offset / spread) ** 2))
        tissue.echo_db[rows[inside], x[inside]] += lift[inside].astype(np.float32)


def add_streaks(
    rng: np.random.Generator, tissue: Tissue, inside: Array, count: int, gain_db: float, slope: float = 0.0
) -> None:
    """Short bright fibres along the flow where `inside` (H, W) is above one half."""
    rows, columns = np.nonzero(inside > 0.5)
    if not len(rows):
        return
    for pick in rng.integers(0, len(rows), count):
        row, column = rows[pick], columns[pick]
        length = max(5, int(rng.gamma(2.0, 9.0) * tissue.scale))
        x = np.arange(column, min(column + length, tissue.shape[1]), dtype=np.float32)
        if len(x) < 4:
            continue
        bent = tissue.flow[row, column : column + len(x)]
        bow = rng.normal(0, 2.0) * tissue.scale * np.linspace(-1, 1, len(x)) ** 2
        y = row + bent - bent[0] + (slope + rng.normal(0, 0.06)) * (x - x[0]) + bow
        taper = 14 * np.linspace(-1, 1, len(x)) ** 4
        gain = (gain_db + rng.normal(0, 5) - taper).astype(np.float32)
        add_line(tissue, x, y.astype(np.float32), gain, 1)


def _draw_flow(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, vessels: tuple[Outline, ...]
) -> Array:
    rows, columns = shape
    y, x = np.arange(rows, dtype=np.float32)[:, None], np.arange(columns, dtype=np.float32)[None, :]
    depth = y / rows
    flow = depth * np.float32(rng.uniform(4, 26) * scale) * smooth_noise(rng, shape, 110 * scale, 90 * scale)
    flow += np.float32(rng.uniform(1, 5) * scale) * smooth_noise(rng, shape, 45 * scale, 45 * scale)
    flow += depth * np.float32(rng.normal(0, 0.15)) * (x - columns / 2)
    for vessel in vessels:
        if rng.random() < 0.75:
            flow += _drape(vessel, x, y, np.float32(rng.uniform(0.6, 1.05)))
    return flow.astype(np.float32)


def _drape(vessel: Outline, x: Array, y: Array, share: np.float32) -> Array:
    """Push the layers above an outline up and those below it down."""
    px, py = vessel.points()
    half_height, half_width = float(np.ptp(py)) / 2, float(np.ptp(px)) / 2
    near = np.exp(-(((x - vessel.x) / (1.1 * half_width)) ** 2))
    away = (y - vessel.y) / half_height
    pushed: Array = share * np.float32(half_height) * np.tanh(3 * away) * np.exp(-np.abs(away) / 2) * near
    return pushed


def _draw_texture(rng: np.random.Generator, shape: tuple[int, int], scale: float, flow: Array) -> Array:
    """Level dB of layered tissue: coarse patches and fine strata, bent along the flow."""
    flat = np.zeros(shape, np.float32)
    for grain, level, stretch in ((110, 3.5, 1.5), (40, 3.0, 2.2), (13, 2.8, 3.5), (4, 3.2, 5.0)):
        wide = grain * stretch * rng.uniform(0.7, 1.4) * scale
        flat += np.float32(level * rng.uniform(0.4, 1.4)) * smooth_noise(rng, shape, grain * scale, wide)
    y, x = np.meshgrid(
        np.arange(shape[0], dtype=np.float32), np.arange(shape[1], dtype=np.float32), indexing="ij"
    )
    bent: Array = map_coordinates(flat, np.stack([y - flow, x]), order=1, mode="reflect")
    return bent


def _add_fat(rng: np.random.Generator, tissue: Tissue, depth: float) -> Array:
    rows, columns = tissue.shape
    scale = tissue.scale
    floor = np.full(columns, depth, np.float32) + 6 * scale * smooth_curve(rng, columns, 110 * scale)
    bent = floor + tissue.flow[min(rows - 1, int(depth))]
    inside = soft_step(bent[None, :] - np.arange(rows, dtype=np.float32)[:, None], 4 * scale)
    lobules = 2.0 * smooth_noise(rng, tissue.shape, 9 * scale, 30 * scale)
    tissue.echo_db += inside * (rng.uniform(-8, 3) + lobules).astype(np.float32)
    for _ in range(rng.integers(2, 14)):
        add_fascia(rng, tissue, floor * np.float32(rng.uniform(0.15, 0.98)), rng.uniform(-8, 4), 1.0)
    return floor.astype(np.float32)


def _add_fascias(rng: np.random.Generator, tissue: Tissue, fat_floor: Array) -> None:
    rows, columns = tissue.shape
    add_fascia(rng, tissue, fat_floor, rng.uniform(2, 11), rng.uniform(1, 4))
    x = np.arange(columns, dtype=np.float32) - columns / 2
    for _ in range(rng.integers(2, 16)):
        line = fat_floor + rng.exponential(0.18) * rows
        if rng.random() < 0.2:
            line = line + np.float32(rng.normal(0, 0.25)) * x
        add_fascia(rng, tissue, line.astype(np.float32), rng.uniform(-5, 9), rng.uniform(1, 3))


def _add_skin(rng: np.random.Generator, tissue: Tissue) -> None:
    rows, columns = tissue.shape
    depth = rng.uniform(0.01, 0.06) * rows
    y = np.arange(rows, dtype=np.float32)[:, None]
    tissue.echo_db += np.float32(rng.uniform(-11, 0)) * soft_step(depth - y, 2 * tissue.scale)
    if rng.random() < 0.7:
        level = np.full(columns, rng.uniform(-14, 1), np.float32)
        add_line(tissue, np.arange(columns, dtype=np.float32), np.zeros(columns, np.float32), level, 1)
    for _ in range(rng.integers(0, 4)):
        add_fascia(
            rng, tissue, np.full(columns, depth * rng.uniform(0.5, 2.0), np.float32), rng.uniform(-10, 1), 1
        )
