"""Veins and arteries: how many, where, how large, how round, and what they do to the echo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from trainer.phantoms.fields import Array, from_quantiles, smooth_curve, soft_step
from trainer.phantoms.outline import Outline, draw_outline, signed_distance, splat
from trainer.phantoms.tissue import Tissue

VEIN, ARTERY = 1, 2

_SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_DIAMETERS = (0.05, 0.08, 0.14, 0.195, 0.255, 0.35, 0.42)
_DEPTHS = (0.12, 0.22, 0.32, 0.43, 0.57, 0.78, 0.92)
_RATIOS = (0.33, 0.38, 0.62, 0.74, 0.85, 0.95, 0.99)
_EMPTY = 0.1
_FAINTEST_DB = -9.0


@dataclass(frozen=True)
class Picture:
    """The part of a square frame that shows tissue, px; `size` is the frame's side."""

    top: int
    left: int
    height: int
    width: int
    size: int


@dataclass(frozen=True)
class Vessel:
    """One vessel in picture coordinates px, levels dB, motion as fractions of its size."""

    outline: Outline
    kind: int
    lumen_db: float
    wall_db: float
    wall_px: float
    sheath_db: float
    pulse: float
    collapse: float


def draw_vessels(rng: np.random.Generator, picture: Picture, clutter_db: float) -> tuple[Vessel, ...]:
    """Vessels with the sizes, depths and shapes of real frames; about one frame in ten has none."""
    if rng.random() < _EMPTY:
        return ()
    wanted = int(rng.choice((1, 2, 3), p=(0.68, 0.28, 0.04)))
    found: list[Vessel] = []
    for _ in range(60):
        vessel = _draw_vessel(rng, picture, found[0] if found and rng.random() < 0.6 else None)
        if _fits(vessel, found, picture):
            found.append(vessel)
            if rng.random() < 0.08:
                found.append(_branch(rng, vessel))
        if len(found) >= wanted:
            break
    return tuple(replace(vessel, lumen_db=vessel.lumen_db + clutter_db) for vessel in found)


def _draw_vessel(rng: np.random.Generator, picture: Picture, beside: Vessel | None) -> Vessel:
    size = picture.size
    kind = ARTERY if rng.random() < (0.6 if beside else 0.35) else VEIN
    shared = rng.standard_normal()
    level = 0.72 * shared + 0.7 * rng.standard_normal()
    diameter = size * from_quantiles(float(ndtr(shared)), _SHARES, _DIAMETERS)
    depth = size * from_quantiles(float(ndtr(level)), _SHARES, _DEPTHS) - picture.top
    ratio = from_quantiles(float(rng.random() ** (0.65 if kind == ARTERY else 1.25)), _SHARES, _RATIOS)
    x = rng.uniform(-0.02, 1.02) * picture.width
    if beside is not None:
        diameter = beside.outline.reach() * 2 * rng.uniform(0.5, 1.0)
        gap = beside.outline.reach() + diameter / 2
        angle = rng.uniform(-0.9, 0.9) + (np.pi if rng.random() < 0.5 else 0.0)
        x = beside.outline.x + gap * rng.uniform(1.0, 1.6) * np.cos(angle)
        depth = beside.outline.y + gap * np.sin(angle)
    wobble = rng.uniform(0.01, 0.06) if kind == ARTERY else rng.uniform(0.03, 0.16)
    outline = draw_outline(rng, x, depth, diameter, ratio, rng.normal(0, 0.25), wobble)
    return Vessel(
        outline,
        kind,
        lumen_db=-rng.uniform(7, 20) if rng.random() < 0.8 else -rng.uniform(4, 8),
        wall_db=rng.uniform(-12, 4) + (3 if kind == ARTERY else 0),
        wall_px=rng.uniform(1, 3),
        sheath_db=rng.uniform(-2, 8),
        pulse=rng.uniform(0.02, 0.08) if kind == ARTERY else rng.uniform(0, 0.02),
        collapse=0.0 if kind == ARTERY else rng.uniform(0, 0.25),
    )


def _branch(rng: np.random.Generator, vessel: Vessel) -> Vessel:
    angle = rng.uniform(-0.5, 0.5) + (np.pi if rng.random() < 0.5 else 0.0)
    reach = vessel.outline.reach()
    x, y = vessel.outline.x + reach * np.cos(angle), vessel.outline.y + 0.6 * reach * np.sin(angle)
    outline = draw_outline(
        rng, x, y, reach * rng.uniform(0.9, 1.5), rng.uniform(0.4, 0.8), rng.normal(0, 0.4), 0.08
    )
    return replace(vessel, outline=outline)


def _fits(vessel: Vessel, others: list[Vessel], picture: Picture) -> bool:
    x, y = vessel.outline.points()
    seen = (x > 0) & (x < picture.width) & (y > 0.04 * picture.height) & (y < picture.height)
    if seen.mean() < 0.7 or y.min() < 0.03 * picture.height:
        return False
    for other in others:
        gap = np.hypot(vessel.outline.x - other.outline.x, vessel.outline.y - other.outline.y)
        if gap < 0.85 * (vessel.outline.reach() + other.outline.reach()):
            return False
    return True


def add_vessel(rng: np.random.Generator, tissue: Tissue, vessel: Vessel) -> None:
    """Put sheath, wall, lumen, enhancement and edge shadows of one vessel into the tissue."""
    scale = tissue.scale
    spread = rng.uniform(4, 16) * scale
    distance, window = signed_distance(vessel.outline, tissue.shape, 4 * spread)
    if not distance.size:
        return
    sheath = np.exp(-0.5 * (np.maximum(distance, 0) / spread) ** 2).astype(np.float32)
    lift = vessel.sheath_db + max(0.0, _FAINTEST_DB - _surround_level(tissue, window, distance, spread))
    tissue.echo_db[window] += np.float32(lift) * sheath
    inside = soft_step(-distance, rng.uniform(0.6, 3.0) * scale)
    level = np.float32(_surround_level(tissue, window, distance, spread))
    tissue.echo_db[window] += inside * (level + np.float32(vessel.lumen_db) - tissue.echo_db[window])
    tissue.mirror[window] *= 1 - inside
    tissue.loss_db[window] -= inside * np.float32(rng.uniform(0, 0.07) / scale)
    _add_haze(rng, tissue, vessel, distance, window)
    _add_wall(rng, tissue, vessel)
    _add_edge_shadows(rng, tissue, vessel)


def _surround_level(tissue: Tissue, window: tuple[slice, slice], distance: Array, spread: float) -> float:
    ring = (distance > 0) & (distance < spread)
    return float(tissue.echo_db[window][ring].mean()) if ring.any() else 0.0


def _add_haze(
    rng: np.random.Generator, tissue: Tissue, vessel: Vessel, distance: Array, window: tuple[slice, slice]
) -> None:
    """Reverberation of the near wall: clutter in the upper part of the lumen."""
    if rng.random() < 0.3:
        return
    rows = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None]
    top = np.where(distance < 0, rows, np.inf).min(0, initial=np.inf)
    depth = np.maximum(rows - top[None, :], 0)
    length = rng.uniform(3, 25) * tissue.scale
    lift = np.float32(rng.uniform(2, 0.7 * -vessel.lumen_db + 2)) * np.exp(-depth / length)
    tissue.echo_db[window] += np.where(distance < 0, lift, 0).astype(np.float32)


def _add_wall(rng: np.random.Generator, tissue: Tissue, vessel: Vessel) -> None:
    """Two interfaces, bright where they face the beam and gone at the sides."""
    x, y = vessel.outline.points()
    nx, ny = vessel.outline.normals()
    count = int(8 * vessel.outline.reach()) + 8
    turns = np.linspace(0, len(x), count, endpoint=False)
    knots = np.arange(len(x) + 1)
    px, py, pnx, pny = (
        np.interp(turns, knots, np.append(v, v[0])).astype(np.float32) for v in (x, y, nx, ny)
    )
    step = np.hypot(np.gradient(px), np.gradient(py))
    gain = vessel.wall_db + 4 * smooth_curve(rng, count, count / 10)
    face = np.where(pny > 0, rng.uniform(0.4, 1.4), rng.uniform(0.4, 1.2))
    amplitude = (10 ** (gain / 20) * pny**4 * step * face).astype(np.float32)
    for offset in (0.0, vessel.wall_px * tissue.scale):
        splat(tissue.mirror, px + pnx * offset, py + pny * offset, amplitude / 2)


def _add_edge_shadows(rng: np.random.Generator, tissue: Tissue, vessel: Vessel) -> None:
    """Refraction at the lateral edges: thin slanted shadows, a loss that the whole column below inherits."""
    strength = max(0.0, rng.uniform(-3, 6))
    x, y = vessel.outline.points()
    for side in (int(np.argmin(x)), int(np.argmax(x))):
        column, row = round(float(x[side])), round(float(y[side]))
        half = max(1, round(rng.uniform(1.5, 4) * tissue.scale))
        rows = slice(max(0, row), max(0, row + round(10 * tissue.scale)))
        columns = slice(max(0, column - half), max(0, column + half + 1))
        tissue.loss_db[rows, columns] += np.float32(strength / (10 * tissue.scale))


def label_vessels(vessels: tuple[Vessel, ...], shape: tuple[int, int]) -> Array:
    """Signed distances (2, H, W) float32 px to the nearest vein and artery, negative inside, far off 99."""
    nearest = np.full((2, *shape), 99.0, np.float32)
    for vessel in vessels:
        distance, window = signed_distance(vessel.outline, shape, 4)
        layer = nearest[vessel.kind - 1][window]
        np.minimum(layer, distance, out=layer)
    return nearest
