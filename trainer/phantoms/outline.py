"""Closed outlines in polar form: vessels, nerves and whatever else has an edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.phantoms.fields import Array

_STEPS = 256


@dataclass(frozen=True)
class Outline:
    """A star-shaped outline: centre (x, y) px and the radii px at 256 even angles."""

    x: float
    y: float
    radii: Array

    def points(self) -> tuple[Array, Array]:
        """The outline's points as x and y, each (256,) px."""
        angle = _angles()
        x, y = self.x + self.radii * np.cos(angle), self.y + self.radii * np.sin(angle)
        return x.astype(np.float32), y.astype(np.float32)

    def normals(self) -> tuple[Array, Array]:
        """Outward unit normals as x and y, each (256,)."""
        x, y = self.points()
        tx, ty = np.roll(x, -1) - np.roll(x, 1), np.roll(y, -1) - np.roll(y, 1)
        length = np.hypot(tx, ty) + 1e-6
        return np.asarray(ty / length, np.float32), np.asarray(-tx / length, np.float32)

    def reach(self) -> float:
        """Largest radius in px."""
        return float(self.radii.max())

    def moved(self, x: float, y: float) -> Outline:
        """The same outline about another centre."""
        return Outline(x, y, self.radii)


def _angles() -> Array:
    return np.linspace(0, 2 * np.pi, _STEPS, endpoint=False, dtype=np.float32)


def draw_outline(
    rng: np.random.Generator, x: float, y: float, diameter: float, ratio: float, tilt: float, wobble: float
) -> Outline:
    """An ellipse of the given equivalent diameter px, axis ratio and tilt (rad) with random low harmonics."""
    major, minor = diameter / 2 / np.sqrt(ratio), diameter / 2 * np.sqrt(ratio)
    angle = _angles()
    ellipse = major * minor / np.hypot(minor * np.cos(angle - tilt), major * np.sin(angle - tilt))
    bend = np.zeros_like(angle)
    for k in range(2, 9):
        amplitude = rng.normal(0, wobble / k**1.2)
        bend += np.float32(amplitude) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)).astype(np.float32)
    radii = (ellipse * np.exp(bend)).astype(np.float32)
    area = 0.5 * float((radii**2).mean()) * 2 * np.pi
    return Outline(x, y, radii * np.float32(diameter / 2 * np.sqrt(np.pi / area)))


def signed_distance(
    outline: Outline, shape: tuple[int, int], reach: float
) -> tuple[Array, tuple[slice, slice]]:
    """Distance px to the outline, negative inside, on the window up to `reach` px outside of it.

    It is exact in sign and close in size near the edge. The window is empty where the outline lies outside.
    """
    far = outline.reach() + reach
    rows = slice(max(0, int(outline.y - far)), max(0, min(shape[0], int(outline.y + far) + 2)))
    columns = slice(max(0, int(outline.x - far)), max(0, min(shape[1], int(outline.x + far) + 2)))
    dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(outline.y)
    dx = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - np.float32(outline.x)
    turn = np.arctan2(dy, dx) * np.float32(_STEPS / (2 * np.pi)) % _STEPS
    closed = np.append(outline.radii, outline.radii[0])
    edge = np.interp(turn, np.arange(_STEPS + 1), closed).astype(np.float32)
    squash = np.float32(np.sqrt(outline.radii.min() / outline.radii.max()))
    return (np.hypot(dx, dy) - edge) * squash, (rows, columns)


def splat(target: Array, x: Array, y: Array, amplitude: Array) -> None:
    """Add amplitudes (n,) at the nearest pixels of points (x, y) px; points outside are dropped."""
    ix, iy = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    inside = (ix >= 0) & (iy >= 0) & (ix < target.shape[1]) & (iy < target.shape[0])
    np.add.at(target, (iy[inside], ix[inside]), amplitude[inside])


def specular(slope: Array) -> Array:
    """Share of an interface's echo that comes back: sin^4 of its angle to the beam, from its slope dy/dx."""
    return (1 / (1 + slope**2) ** 2).astype(np.float32)
