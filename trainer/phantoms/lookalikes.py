"""Dark or round things that are no vessel: nerves, tendons, cysts, dark tissue under fascia, poor contact."""

from __future__ import annotations

import numpy as np

from trainer.phantoms.fields import smooth_curve, smooth_noise, soft_step
from trainer.phantoms.outline import Outline, draw_outline, signed_distance
from trainer.phantoms.tissue import Tissue, add_line, add_streaks
from trainer.phantoms.vessels import Vessel


def add_lookalikes(rng: np.random.Generator, tissue: Tissue, vessels: tuple[Vessel, ...]) -> None:
    """Add what readers must not take for a vessel; vessels are put in afterwards and stay whole."""
    if rng.random() < 0.75:
        for _ in range(rng.integers(1, 3)):
            _add_nerve(rng, tissue, _near_or_anywhere(rng, tissue, vessels))
    if rng.random() < 0.25:
        _add_tendon(rng, tissue, _near_or_anywhere(rng, tissue, ()))
    for _ in range(rng.integers(0, 3)):
        _add_dark_zone(rng, tissue)
    if rng.random() < 0.12:
        _add_cyst(rng, tissue)


def _near_or_anywhere(rng: np.random.Generator, tissue: Tissue, vessels: tuple[Vessel, ...]) -> Outline:
    rows, columns = tissue.shape
    diameter = rng.uniform(0.06, 0.22) * columns
    outline = draw_outline(rng, 0, 0, diameter, rng.uniform(0.3, 0.95), rng.normal(0, 0.35), 0.07)
    if vessels and rng.random() < 0.7:
        near = vessels[rng.integers(len(vessels))].outline
        angle = rng.uniform(0, 2 * np.pi)
        gap = near.reach() + outline.reach() * rng.uniform(0.7, 1.3)
        return outline.moved(near.x + gap * float(np.cos(angle)), near.y + 0.8 * gap * float(np.sin(angle)))
    return outline.moved(rng.uniform(0, 1) * columns, rng.uniform(0.15, 0.8) * rows)


def _add_nerve(rng: np.random.Generator, tissue: Tissue, outline: Outline) -> None:
    """A honeycomb: dark fascicles in bright epineurium."""
    scale = tissue.scale
    distance, window = signed_distance(outline, tissue.shape, 8 * scale)
    if not distance.size:
        return
    inside = soft_step(-distance, 2 * scale)
    bright = np.float32(rng.uniform(0, 8))
    tissue.echo_db[window] += inside * (bright - 0.7 * tissue.echo_db[window])
    for _ in range(rng.integers(2, 12)):
        angle, part = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random()) * 0.75
        radius = outline.reach() * part
        fascicle = draw_outline(
            rng,
            outline.x + radius * float(np.cos(angle)),
            outline.y + 0.6 * radius * float(np.sin(angle)),
            rng.uniform(6, 22) * scale,
            rng.uniform(0.6, 0.95),
            0.0,
            0.05,
        )
        near, box = signed_distance(fascicle, tissue.shape, 4 * scale)
        tissue.echo_db[box] -= np.float32(rng.uniform(5, 16)) * soft_step(-near, 1.5 * scale)
    if rng.random() < 0.5:
        whole = np.zeros(tissue.shape, np.float32)
        whole[window] = inside
        add_streaks(rng, tissue, whole, int(rng.uniform(2, 14)), rng.uniform(-8, 2), rng.normal(0, 0.2))


def _add_tendon(rng: np.random.Generator, tissue: Tissue, outline: Outline) -> None:
    """Bright or, where it lies oblique to the beam, dark fibres."""
    distance, window = signed_distance(outline, tissue.shape, 0)
    if not distance.size:
        return
    inside = soft_step(-distance, 1.5 * tissue.scale)
    tissue.echo_db[window] += inside * np.float32(rng.uniform(-10, 7))
    fibres = smooth_noise(rng, (distance.shape[0], distance.shape[1]), 1.8 * tissue.scale, 40 * tissue.scale)
    tissue.echo_db[window] += 4 * inside * fibres
    whole = np.zeros(tissue.shape, np.float32)
    whole[window] = inside
    add_streaks(rng, tissue, whole, int(rng.uniform(5, 30)), rng.uniform(-8, 2), rng.normal(0, 0.1))


def _add_dark_zone(rng: np.random.Generator, tissue: Tissue) -> None:
    """Dark tissue under a bright fascia: open at the sides and below, so it is no lumen."""
    rows, columns = tissue.shape
    scale = tissue.scale
    x = np.arange(columns, dtype=np.float32)
    middle, half = rng.uniform(0, 1) * columns, rng.uniform(0.08, 0.45) * columns
    top = (
        rng.uniform(0.2, 0.75) * rows
        + rng.normal(0, 0.15) * (x - middle)
        + 7 * scale * smooth_curve(rng, columns, 60 * scale)
    )
    below = np.arange(rows, dtype=np.float32)[:, None] - top[None, :]
    reach = rng.uniform(0.05, 0.6) * rows
    share = np.exp(-(((x - middle) / half) ** 4)).astype(np.float32)
    fade = np.exp(-np.maximum(below, 0) / np.float32(reach)) * soft_step(below, 2 * scale)
    tissue.echo_db -= np.float32(rng.uniform(6, 22)) * fade * share[None, :]
    seen = np.flatnonzero(share > 0.3)
    if rng.random() < 0.8 and len(seen) > 12:
        gain = rng.uniform(-3, 7) + 4 * smooth_curve(rng, len(seen), 30 * scale)
        add_line(tissue, x[seen], top[seen].astype(np.float32), gain.astype(np.float32), rng.uniform(1, 3))


def _add_cyst(rng: np.random.Generator, tissue: Tissue) -> None:
    """Fluid without a wall: blurred, lobed, small."""
    rows, columns = tissue.shape
    outline = draw_outline(
        rng,
        rng.uniform(0.05, 0.95) * columns,
        rng.uniform(0.12, 0.8) * rows,
        rng.uniform(0.02, 0.07) * columns,
        rng.uniform(0.25, 0.8),
        rng.normal(0, 0.6),
        0.22,
    )
    distance, window = signed_distance(outline, tissue.shape, 20 * tissue.scale)
    tissue.echo_db[window] -= np.float32(rng.uniform(8, 20)) * soft_step(
        -distance, rng.uniform(3, 7) * tissue.scale
    )


def add_poor_contact(rng: np.random.Generator, tissue: Tissue, vessels: tuple[Vessel, ...]) -> None:
    """Columns where the probe loses the skin: dark from the top down, at a side or in between.

    Over a vessel the loss is small, since a vessel that nobody sees would not be labelled.
    """
    columns = tissue.shape[1]
    x = np.arange(columns, dtype=np.float32)
    loss = np.zeros(columns, np.float32)
    for side in (0.0, float(columns)):
        if rng.random() < 0.2:
            inward = np.abs(x - side)
            edge = rng.uniform(0.02, 0.3) * columns
            loss += np.float32(rng.uniform(8, 45)) * soft_step(
                edge - inward, rng.uniform(4, 60) * tissue.scale
            )
    if rng.random() < 0.3:
        loss += np.float32(rng.uniform(2, 7)) * np.maximum(smooth_curve(rng, columns, rng.uniform(12, 60)), 0)
    for vessel in vessels:
        near = np.abs(x - vessel.outline.x) - vessel.outline.reach()
        loss *= 1 - 0.8 * soft_step(-near, 12 * tissue.scale)
    tissue.loss_db[round(2 * tissue.scale)] += loss
