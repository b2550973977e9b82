"""One frame of a scene: the beam's losses, echoes, clutter and the scanner's grey."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, uniform_filter1d
from scipy.signal import lfilter

from trainer.phantoms.fields import Array
from trainer.phantoms.lookalikes import add_lookalikes, add_poor_contact
from trainer.phantoms.muscle import add_bone, add_muscles
from trainer.phantoms.scanner import Scanner
from trainer.phantoms.speckle import Complex, compress, draw_scatterers, spread
from trainer.phantoms.tissue import Tissue, draw_tissue
from trainer.phantoms.vessels import Picture, Vessel, add_vessel, draw_vessels, label_vessels

_BONE = 0.25
_ENHANCED_PX = 90.0


@dataclass(frozen=True)
class Layout:
    """Where a clip's picture and vessels lie, and the scanner as set up on the day."""

    scanner: Scanner
    picture: Picture
    vessels: tuple[Vessel, ...]


@dataclass(frozen=True)
class Console:
    """What the examiner set for one clip: gain dB, the slope of the time gain, and reverberation."""

    gain_db: float
    noise_db: float
    residual_db: float
    range_db: float
    gamma: float
    echo_rows: int
    echo_db: float


@dataclass(frozen=True)
class Scene:
    """Everything that the frames of one clip share."""

    layout: Layout
    console: Console
    tissue: Tissue
    distances: Array
    """(2, H, W) px to the nearest vein and artery, negative inside."""
    scatterers: tuple[Complex, ...]
    """One field for every look."""


def draw_layout(rng: np.random.Generator, scanner: Scanner, size: int) -> Layout:
    """The first draws of a clip: all that its masks depend on."""
    aged = _aged(rng, scanner)
    picture = _draw_picture(rng, aged, size)
    return Layout(aged, picture, draw_vessels(rng, picture, aged.clutter_db))


def layout_mask(layout: Layout) -> NDArray[np.uint8]:
    """Index mask (size, size) uint8 of a layout at rest."""
    picture = layout.picture
    return _framed(_indices(label_vessels(layout.vessels, (picture.height, picture.width))), picture)


def draw_scene(rng: np.random.Generator, scanner: Scanner, size: int) -> Scene:
    """Anatomy, console and scatterers of one clip of square frames with side `size` px."""
    scale = size / 512
    layout = draw_layout(rng, scanner, size)
    scanner, vessels, shape = layout.scanner, layout.vessels, (layout.picture.height, layout.picture.width)
    tissue = draw_tissue(rng, shape, scale, tuple(v.outline for v in vessels))
    add_muscles(rng, tissue)
    if rng.random() < _BONE:
        add_bone(rng, tissue, max((float(v.outline.points()[1].max()) for v in vessels), default=0.0))
    add_lookalikes(rng, tissue, vessels)
    for vessel in vessels:
        add_vessel(rng, tissue, vessel)
    add_poor_contact(rng, tissue, vessels)
    distances = label_vessels(vessels, shape)
    tissue.mirror[distances.min(0) < -2 * scale] = 0
    console = _draw_console(rng, scanner, size)
    return Scene(
        layout,
        replace(console, gain_db=console.gain_db - _upper_level_db(tissue, console)),
        tissue,
        distances,
        tuple(draw_scatterers(rng, shape) for _ in range(scanner.looks)),
    )


def _upper_level_db(tissue: Tissue, console: Console) -> float:
    """What an examiner turns the gain to: the level that three in ten pixels exceed."""
    level = tissue.echo_db[::4, ::4] + _shade_db(tissue, console.residual_db)[::4, ::4]
    return float(np.quantile(level, 0.7))


def _aged(rng: np.random.Generator, scanner: Scanner) -> Scanner:
    """The scanner as set up on the day: its point spread varies with probe and frequency."""
    return replace(
        scanner,
        axial_fwhm=scanner.axial_fwhm * rng.uniform(0.8, 1.25),
        lateral_fwhm=scanner.lateral_fwhm * rng.uniform(0.75, 1.3),
        focus=min(0.9, scanner.focus * rng.uniform(0.5, 1.6)),
    )


def _draw_picture(rng: np.random.Generator, scanner: Scanner, size: int) -> Picture:
    def band(largest: float, chance: float) -> int:
        return round(size * largest * rng.random()) if rng.random() < chance else 0

    top = band(scanner.top_border, 0.6 * scanner.border_chance)
    bottom = round(size * scanner.bottom_border * rng.uniform(0.2, 1.0))
    left, right = (
        band(scanner.side_border, 0.4 * scanner.border_chance),
        band(scanner.side_border, scanner.border_chance),
    )
    return Picture(top, left, size - top - bottom, size - left - right, size)


def _draw_console(rng: np.random.Generator, scanner: Scanner, size: int) -> Console:
    return Console(
        gain_db=rng.normal(0, 2.4),
        noise_db=scanner.noise_db + rng.normal(0, 7),
        residual_db=scanner.residual_db * rng.uniform(0.1, 1.9),
        range_db=scanner.dynamic_range_db * rng.uniform(0.92, 1.08),
        gamma=scanner.gamma * rng.uniform(0.85, 1.15),
        echo_rows=round(size * rng.uniform(0.03, 0.2)),
        echo_db=-rng.uniform(18, 34),
    )


def render(
    scene: Scene, tissue: Tissue, distances: Array, scatterers: tuple[Complex, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image and index mask, both (size, size) uint8, of the scene in one state of motion."""
    picture, console = scene.layout.picture, scene.console
    shade = 10 ** (_shade_db(tissue, console.residual_db) / 20)
    depth = np.linspace(0, 1, picture.height, dtype=np.float32)[:, None]
    noise = 10 ** ((console.noise_db - 14 * (1 - depth)) / 20)
    diffuse = np.hypot(10 ** (tissue.echo_db / 20) * shade, noise)
    mirror = tissue.mirror * shade
    power = np.zeros_like(diffuse)
    for look in scatterers:
        field = spread((look * diffuse + mirror).astype(np.complex64), scene.layout.scanner, tissue.scale)
        power += field.real**2 + field.imag**2
    envelope = np.sqrt(power / len(scatterers))
    repeated = gaussian_filter(envelope[: -console.echo_rows], (2.5 * tissue.scale, 4 * tissue.scale))
    envelope[console.echo_rows :] += np.float32(10 ** (console.echo_db / 20)) * repeated
    grey = compress(
        envelope, scene.layout.scanner.ceiling_db - console.gain_db, console.range_db, console.gamma
    )
    return _framed(grey, picture), _framed(_indices(distances), picture)


def _shade_db(tissue: Tissue, residual_db: float) -> Array:
    """Level (H, W) dB that the way through the tissue adds: shadows, enhancement, attenuation."""
    rows = tissue.shape[0]
    blurred = gaussian_filter1d(tissue.loss_db, 2.0 * tissue.scale, axis=1)
    lost = np.cumsum(np.maximum(blurred, 0), axis=0)
    fading = np.float32(np.exp(-1 / (_ENHANCED_PX * tissue.scale)))
    lost += lfilter([1.0], [1.0, -fading], np.minimum(blurred, 0), axis=0).astype(np.float32)
    opened = uniform_filter1d(lost, max(3, round(9 * tissue.scale)), axis=1)
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    return np.asarray(-(1 - depth) * lost - depth * opened - residual_db * depth**1.3, np.float32)


def _indices(distances: Array) -> NDArray[np.uint8]:
    """Index map: 0 background, 1 vein, 2 artery; where both claim a pixel the deeper one has it."""
    nearest = distances.argmin(0).astype(np.uint8) + 1
    return np.where(distances.min(0) < 0, nearest, 0).astype(np.uint8)


def _framed(part: NDArray[np.uint8], picture: Picture) -> NDArray[np.uint8]:
    frame = np.zeros((picture.size, picture.size), np.uint8)
    frame[picture.top : picture.top + picture.height, picture.left : picture.left + picture.width] = part
    return frame
