"""Files: all that a row names, and no leftovers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from adapters.unfinished import PREFIX
from loop.errors import BadInput, NotFound, SonoloopError
from loop.records import Frame, MaskVersion, ModelVersion
from loop.serving import is_order_only
from loop.training_records import Round
from tests.invariants.parts import Parts

LEFTOVERS = (".writing-*", "*.part", f"{PREFIX}*")
FOREIGN = {"rounds", "label-studio", "redis", "logs", "run"}
"""Folders of the home that others write to, or where a round may be at it."""


def wrong_files(
    parts: Parts,
    project_id: int,
    frames: list[Frame],
    history: list[MaskVersion],
    versions: list[ModelVersion],
) -> Iterator[str]:
    """Every row's file is there and is what its digest says."""
    with parts.database.read() as uow:
        drawn = [row for version in versions for row in uow.predictions.for_version(project_id, version.id)]
    without = [row.id for row in history if row.decision.is_trainable and row.mask_digest is None]
    yield from (f"mask version {row_id} may teach and has no mask" for row_id in without)
    masks = {row.mask_digest for row in history} | {row.mask_digest for row in drawn}
    models = {version.digest for version in versions if not is_order_only(version)}
    for kind, digests in (("masks", masks), ("models", models)):
        for digest in sorted(each for each in digests if each is not None):
            try:
                data = parts.storage.get(kind, digest)
                if kind == "models" and hashlib.sha256(data).hexdigest() != digest:
                    yield f"changed bytes of the model {digest}"
            except SonoloopError as error:
                yield f"{kind}: {error.message}"
    for frame in frames:
        try:
            parts.images.read(frame)
        except (BadInput, NotFound) as error:
            yield f"frame {frame.id}: {error.message}"


def leftovers(parts: Parts, rounds: list[Round]) -> Iterator[str]:
    """No half-written file, and no weights of a round that is over; a live round may be writing just now."""
    if parts.root is None:
        return
    for folder in (each for each in parts.root.glob("*") if each.name not in FOREIGN):
        for pattern in LEFTOVERS:
            yield from (f"left over: {path.name}" for path in folder.rglob(pattern))
    for folder in (parts.root / "rounds" / str(row.id) for row in rounds if not row.state.is_live):
        for pattern in (*LEFTOVERS, "*.safetensors"):
            yield from (f"left over of an ended round: {path.name}" for path in folder.rglob(pattern))
