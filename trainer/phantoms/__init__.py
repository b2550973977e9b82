"""Phantoms: B-mode frames of veins and arteries with exact masks, drawn from a seed."""

from trainer.phantoms.clip import CLASSES, PhantomClip, draw_clip, draw_frame, draw_mask, vessel_mask
from trainer.phantoms.scanner import DEMO_SCANNER, PRETRAINING_SCANNERS, Scanner, blend_scanners

__all__ = [
    "CLASSES",
    "DEMO_SCANNER",
    "PRETRAINING_SCANNERS",
    "PhantomClip",
    "Scanner",
    "blend_scanners",
    "draw_clip",
    "draw_frame",
    "draw_mask",
    "vessel_mask",
]
