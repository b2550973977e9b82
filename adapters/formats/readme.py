"""The README that goes out with a dataset."""

from __future__ import annotations

from loop.export import ExportSet, Part
from loop.unreadable import name_tasks

_TEXT = """\
{title}
{line}

{frames} labelled ultrasound frames, exported by Sonoloop.
Digest of this dataset: {digest}
(the same digest means the same frames, masks and splits)

Classes: the value in masks/ and the category id in coco/
{classes}
{unreadable}
Files
  images/            8-bit grey PNG, no metadata; the name begins the SHA-256 of the pixels
  masks/             PNG of the same name and size: 0 is background, i is class i{overlap_note}
  coco/annotations/  instances_all.json, and one file each for train, val and test;
                     file names are those in images/
  splits.csv         image, split, clip, patient
  dataset.json       counts, the model in service, and for each frame who drew it and how
{planes_line}
Splits
{splits}
  No patient (where known, else no clip) lies in two of train, val and test. The test frames
  are the held-out ones: read with nothing proposed, and never shown to a model in training.
  But each model in service was chosen by its figures on them, so that the Dice of that model
  on test is a little too high: to publish a figure of it, take recordings from elsewhere.
  A clip is in val by its own hash: later exports of the project leave it there. With few
  clips val may be empty, or hold all.
{proposed}
Worth knowing
  COCO holds one annotation for each connected blob of a class, as a run-length code:
  holes and single pixels are kept, area and box are exact.
  A frame without annotations is a true negative: a reader found none of the classes.
  Clip, patient and reader ids are pseudonyms.
  Decisions: accepted (the proposal was right), fixed, empty (none of the classes
  is there), from scratch (drawn with nothing proposed). Seconds are missing where unknown
  and for a simulated reader.

Read the masks in Python
  from pycocotools.coco import COCO
  coco = COCO("coco/annotations/instances_train.json")
  for image in coco.loadImgs(coco.getImgIds()):
      annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
      blobs = [(a["category_id"], coco.annToMask(a)) for a in annotations]
"""

_UNREADABLE = """
Not the newest
  Labels whose newest state could not be read: {labels} ({tasks} in Label Studio).
  Frames that may hold an older mask because of that: {outdated}. They are marked
  may_be_outdated in dataset.json and in coco/; frames without an older mask are left out.
  Once these labels are drawn again and saved in Label Studio, export anew.
"""
_PROPOSED = """\
  The split "proposed" holds frames of held-out clips that were labelled over a model's
  proposal: no part of test, and not for training if you use test.
"""
_OVERLAP_NOTE = ";\n                     where classes overlap, the first of the list"
_PLANES_LINE = "  masks_by_class/i/  one folder per class, 0 and 255: classes overlap in this dataset\n"


def readme_text(export: ExportSet, has_overlaps: bool) -> str:
    """What a researcher needs to know to use the folder; equal content gives equal text."""
    return _TEXT.format(
        title=export.title,
        line="=" * len(export.title),
        frames=len(export.frames),
        digest=export.digest,
        classes="\n".join(f"  {number}  {name}" for number, name in enumerate(export.classes, start=1)),
        splits="\n".join(f"  {part:<9}{count} frames" for part, count in export.counts().items()),
        proposed=_PROPOSED if export.of_part(Part.PROPOSED) else "",
        overlap_note=_OVERLAP_NOTE if has_overlaps else "",
        unreadable=_unreadable(export),
        planes_line=_PLANES_LINE if has_overlaps else "",
    )


def _unreadable(export: ExportSet) -> str:
    if not export.unreadable:
        return ""
    labels, outdated = len(export.unreadable), len(export.outdated())
    return _UNREADABLE.format(labels=labels, tasks=name_tasks(export.unreadable), outdated=outdated)
