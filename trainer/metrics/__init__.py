"""Metrics of segmentation: measure each frame, update a board with it, compute; several classes throughout.

What each does with empty masks stands at the head of its module and in docs/metrics.md.
"""

from trainer.metrics.calibration import Bins, Calibration, CalibrationBoard, bin_pixels, bins_from_dict
from trainer.metrics.counts import MEASURES, Counts, count, counts_from_dict, frame_dice, overall
from trainer.metrics.intervals import (
    ENOUGH_CLIPS,
    Interval,
    Resampling,
    as_observed,
    interval,
    one_by_one,
    resample,
)
from trainer.metrics.summary import Pooled, Scoreboard, Scores, Summary, frame_values, score, summarise
from trainer.metrics.surface import Surface, SurfaceBoard, SurfaceScores, measure_surface, surface_from_dict

__all__ = [
    "ENOUGH_CLIPS",
    "MEASURES",
    "Bins",
    "Calibration",
    "CalibrationBoard",
    "Counts",
    "Interval",
    "Pooled",
    "Resampling",
    "Scoreboard",
    "Scores",
    "Summary",
    "Surface",
    "SurfaceBoard",
    "SurfaceScores",
    "as_observed",
    "bin_pixels",
    "bins_from_dict",
    "count",
    "counts_from_dict",
    "frame_dice",
    "frame_values",
    "interval",
    "measure_surface",
    "one_by_one",
    "overall",
    "resample",
    "score",
    "summarise",
    "surface_from_dict",
]
