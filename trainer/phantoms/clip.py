"""Clips: several frames of one anatomy, moved by the probe, the pulse and the breath."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from loop.errors import BadRequest
from trainer.phantoms.fields import Array
from trainer.phantoms.frame import Scene, draw_layout, draw_scene, layout_mask, render
from trainer.phantoms.scanner import PRETRAINING_SCANNERS, Scanner
from trainer.phantoms.speckle import Complex, draw_scatterers
from trainer.phantoms.tissue import Tissue

CLASSES = ("background", "vein", "artery")


@dataclass(frozen=True)
class PhantomClip:
    """Frames of one phantom recording: images and index masks (0 none, 1 vein, 2 artery), uint8 (N, H, W)."""

    clip_id: str
    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]


def draw_clip(
    seed: int, n_frames: int, size: int = 512, scanner: Scanner = PRETRAINING_SCANNERS[0]
) -> PhantomClip:
    """Draw a clip of n_frames square frames of side `size` px; the same arguments give the same bytes.

    Raises BadRequest for n_frames below 1 or a size below 64.
    """
    if n_frames < 1 or size < 64:
        raise BadRequest(
            f"a clip of {n_frames} frames of {size} px",
            "at least 1 frame of 64 px",
            "draw more, or larger ones",
        )
    rng = np.random.default_rng([seed, size])
    scene = draw_scene(rng, scanner, size)
    motion = _Motion.draw(rng)
    frames = [render(scene, *_moved(rng, scene, motion, k)) for k in range(n_frames)]
    images, masks = (np.stack(part) for part in zip(*frames, strict=True))
    return PhantomClip(f"phantom-{scanner.name}-{seed:06d}", images, masks)


def draw_frame(
    seed: int, size: int = 512, scanner: Scanner = PRETRAINING_SCANNERS[0]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first frame of the clip with this seed: image and index mask, both (H, W) uint8."""
    clip = draw_clip(seed, 1, size, scanner)
    return clip.images[0], clip.masks[0]


def draw_mask(seed: int, size: int = 512, scanner: Scanner = PRETRAINING_SCANNERS[0]) -> NDArray[np.uint8]:
    """The mask of `draw_frame` alone, uint8 (H, W), many times faster than the frame."""
    return layout_mask(draw_layout(np.random.default_rng([seed, size]), scanner, size))


def vessel_mask(indices: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Vein or artery: an index mask of any shape merged to bool."""
    return indices > 0


@dataclass(frozen=True)
class _Motion:
    """Movement per frame: probe drift as fractions of the size, phases in rad."""

    drift_x: float
    drift_y: float
    breath: float
    beat: float
    phase: float
    decorrelation: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Motion:
        return cls(
            drift_x=rng.normal(0, 0.006),
            drift_y=rng.normal(0, 0.002),
            breath=rng.uniform(0.15, 0.5),
            beat=rng.uniform(0.7, 1.6),
            phase=rng.uniform(0, 2 * np.pi),
            decorrelation=rng.uniform(0.05, 0.35),
        )


def _moved(
    rng: np.random.Generator, scene: Scene, motion: _Motion, k: int
) -> tuple[Tissue, Array, tuple[Complex, ...]]:
    """Tissue, distances and scatterers as the beam meets them in frame k; frame 0 is the scene at rest."""
    if k == 0:
        return scene.tissue, scene.distances, scene.scatterers
    source = _source_coordinates(scene, motion, k)
    maps = scene.tissue
    tissue = replace(
        maps,
        echo_db=_sample(maps.echo_db, source, 1),
        mirror=_sample(maps.mirror, source, 1),
        loss_db=_sample(maps.loss_db, source, 1),
    )
    distances = np.stack([_sample(layer, source, 1) for layer in scene.distances])
    blood = distances.min(0) < 0
    return (
        tissue,
        distances,
        tuple(_stirred(rng, look, source, blood, motion, k) for look in scene.scatterers),
    )


def _stirred(
    rng: np.random.Generator, look: Complex, source: Array, blood: NDArray[np.bool_], motion: _Motion, k: int
) -> Complex:
    """Scatterers that moved with the tissue, partly replaced by out-of-plane ones, in blood wholly."""
    fresh = draw_scatterers(rng, (look.shape[0], look.shape[1]))
    rows, columns = np.rint(source).astype(np.intp)
    old = look[np.clip(rows, 0, look.shape[0] - 1), np.clip(columns, 0, look.shape[1] - 1)]
    new = np.where(blood, 1.0, min(1.0, motion.decorrelation * k)).astype(np.float32)
    return np.asarray(np.sqrt(1 - new) * old + np.sqrt(new) * fresh, np.complex64)


def _source_coordinates(scene: Scene, motion: _Motion, k: int) -> Array:
    """Where in the scene at rest every pixel of frame k comes from, (2, H, W) px as rows and columns."""
    rows, columns = scene.tissue.shape
    y, x = np.meshgrid(np.arange(rows, dtype=np.float32), np.arange(columns, dtype=np.float32), indexing="ij")
    y += np.float32(motion.drift_y * k * scene.layout.picture.size)
    x += np.float32(motion.drift_x * k * scene.layout.picture.size)
    shift_y, shift_x = np.zeros_like(y), np.zeros_like(x)
    pulse = np.sin(motion.phase + motion.beat * k) - np.sin(motion.phase)
    breath = 0.5 - 0.5 * np.cos(motion.breath * k)
    for vessel in scene.layout.vessels:
        dy, dx = y - np.float32(vessel.outline.y), x - np.float32(vessel.outline.x)
        near = np.exp(-0.5 * (dy**2 + dx**2) / np.float32(1.3 * vessel.outline.reach()) ** 2)
        shift_y -= near * dy * np.float32(vessel.pulse * pulse - vessel.collapse * breath)
        shift_x -= near * dx * np.float32(vessel.pulse * pulse)
    return np.stack([y + shift_y, x + shift_x])


def _sample(field: Array, source: Array, order: int) -> Array:
    sampled: Array = map_coordinates(field, source, order=order, mode="nearest")
    return sampled
