"""The manner of a scanner: what the machine, not the patient, gives to a frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from loop.errors import BadRequest

_SIGNED = ("name", "clutter_db", "noise_db")


@dataclass(frozen=True)
class Scanner:
    """Appearance of one ultrasound machine.

    Lengths are px of a frame 512 px high, levels are dB relative to soft tissue. Every clip varies around
    these values by a seed of its own.
    """

    name: str
    axial_fwhm: float = 2.9
    """Axial full width at half maximum of the amplitude point spread."""
    lateral_fwhm: float = 8.8
    """Lateral width of the point spread at the focus."""
    defocus: float = 1.2
    """Growth of the lateral width from the focus to the far end of the frame, as a fraction."""
    focus: float = 0.35
    """Depth of the focus over the depth of the picture."""
    looks: int = 3
    """Spatially compounded looks: more of them leave fewer black cracks in the speckle."""
    dynamic_range_db: float = 54.0
    gamma: float = 2.2
    """Exponent of the grey curve: above 1 it darkens the mid-tones."""
    ceiling_db: float = 28.7
    """Level that becomes white."""
    residual_db: float = 16.0
    """Attenuation that the time gain leaves uncompensated at the bottom."""
    clutter_db: float = 0.0
    """What the machine adds to the echo of blood: below 0 it suppresses clutter."""
    noise_db: float = -23.0
    """Receiver noise at the bottom."""
    top_border: float = 0.14
    """Largest black band above the picture over the frame's height."""
    bottom_border: float = 0.16
    side_border: float = 0.12
    border_chance: float = 0.45

    def __post_init__(self) -> None:
        """Refuse values that no machine has. Raises BadRequest."""
        bad = [f.name for f in fields(self) if f.name not in _SIGNED and not 0 < getattr(self, f.name) < 200]
        if bad:
            got = f"scanner {self.name!r} with {', '.join(bad)} outside 0 to 200"
            raise BadRequest(got, "positive values", "leave them out: the defaults are a usual machine's")


PRETRAINING_SCANNERS: tuple[Scanner, ...] = (
    Scanner("compound-linear"),
    Scanner("harmonic-linear", axial_fwhm=2.6, lateral_fwhm=7.6, looks=4, gamma=2.5, residual_db=24.0),
    Scanner(
        "soft-linear",
        axial_fwhm=3.4,
        lateral_fwhm=9.3,
        looks=2,
        dynamic_range_db=60.0,
        gamma=1.9,
        noise_db=-19.0,
    ),
    Scanner(
        "contrast-linear",
        lateral_fwhm=9.0,
        dynamic_range_db=48.0,
        gamma=1.8,
        residual_db=20.0,
        noise_db=-28.0,
    ),
)

DEMO_SCANNER = Scanner(
    "portable",
    axial_fwhm=3.9,
    lateral_fwhm=10.0,
    defocus=1.5,
    focus=0.2,
    looks=2,
    dynamic_range_db=50.0,
    gamma=1.6,
    ceiling_db=26.0,
    residual_db=10.0,
    clutter_db=-10.0,
    noise_db=-34.0,
    top_border=0.04,
    bottom_border=0.05,
    side_border=0.2,
    border_chance=0.8,
)
"""A portable machine: coarse beam, bright tissue, wide dark sides. No pretraining scanner is like it."""


def blend_scanners(rng: np.random.Generator) -> Scanner:
    """A random convex mixture of the pretraining scanners, so that no two clips share one machine."""
    weights = rng.dirichlet(np.full(len(PRETRAINING_SCANNERS), 0.6))
    values: dict[str, float] = {
        f.name: float(sum(w * getattr(s, f.name) for w, s in zip(weights, PRETRAINING_SCANNERS, strict=True)))
        for f in fields(Scanner)
        if f.name not in ("name", "looks")
    }
    looks = int(rng.choice([s.looks for s in PRETRAINING_SCANNERS], p=weights))
    return Scanner(name="blend", looks=looks, **values)
