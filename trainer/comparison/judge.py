"""The held-out frames as a trained network sees them, with everything that is measured on each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loop.errors import BadInput, BadWeights, NotFound
from loop.masks import Mask, pack, probs_to_mask, unpack
from loop.ports import Segmenter
from loop.training_records import Split
from trainer.becoming import MODEL
from trainer.comparison.child import INSTEAD
from trainer.comparison.folder import Folder
from trainer.comparison.protocol import Protocol
from trainer.comparison.runs import RESULT, read_trained
from trainer.dataset import read_sample
from trainer.durable import write_whole
from trainer.job import Sample
from trainer.metrics import (
    Bins,
    Counts,
    Surface,
    bin_pixels,
    bins_from_dict,
    count,
    counts_from_dict,
    measure_surface,
    surface_from_dict,
)

MASKS = "masks"


@dataclass(frozen=True)
class JudgedFrame:
    """What a network made of one held-out frame, at the frame's own size; `number` is its place in the
    protocol.
    """

    number: int
    group: str
    counts: Counts
    surface: Surface
    bins: Bins

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types."""
        return {
            "number": self.number,
            "group": self.group,
            "counts": self.counts.to_dict(),
            "surface": self.surface.to_dict(),
            "bins": self.bins.to_dict(),
        }


@dataclass(frozen=True)
class Result:
    """A finished run: its judged frames in the protocol's order, and `trained`, how its training ended."""

    network: str
    seed: int
    frames: tuple[JudgedFrame, ...]
    trained: Mapping[str, Any]


def judge_run(
    folder: Folder,
    protocol: Protocol,
    network: str,
    seed: int,
    threads: int,
) -> Result:
    """Let a trained network predict every held-out frame as it would in service, and keep what comes of it.

    The result is written last: until then the run counts as unjudged. Raises BadInput, BadWeights, NotFound,
    OutOfSpace.
    """
    from trainer.engine import load_segmenter

    place = folder.run(network, seed)
    trained = read_trained(place)
    try:
        segmenter = load_segmenter(
            place / MODEL,
            threads,
            digest=trained["digest"],
            classes=protocol.classes,
            measures=(),
            precision=trained["config"]["precision"],
        )
    except (BadWeights, NotFound) as exc:
        todo = "remove its folder below runs/, and start the same command again"
        raise type(exc)(f"a trained model that cannot be used: {exc.got}", exc.need, todo) from exc
    (place / MASKS).mkdir(exist_ok=True)
    judged = []
    for number, each in protocol.of_split(Split.HELD_OUT):
        sample = Sample(number, each.group, Split.HELD_OUT, folder.frame(each.frame), folder.mask(each.mask))
        judged.append(_judge(sample, segmenter, place / MASKS))
    result = Result(network, seed, tuple(judged), trained)
    write_result(place / RESULT, result, protocol.digest)
    return result


def _judge(sample: Sample, segmenter: Segmenter, masks: Path) -> JudgedFrame:
    image, truth = read_sample(sample, len(segmenter.classes))
    try:
        probs = segmenter.predict(image)
    except BadWeights as exc:  # a model in service would be rolled back; this one has no other version
        raise BadWeights(exc.got, exc.need, INSTEAD) from exc
    mask = probs_to_mask(probs)
    (masks / f"{sample.frame_id}.slm").write_bytes(pack(mask))
    return JudgedFrame(
        sample.frame_id,
        sample.group,
        count(mask, truth),
        measure_surface(mask, truth),
        bin_pixels(probs, truth),
    )


def write_result(path: Path, result: Result, protocol: str) -> None:
    """Write it as JSON, whole or not at all. Raises OutOfSpace."""
    content = {
        "protocol": protocol,
        "network": result.network,
        "seed": result.seed,
        "trained": dict(result.trained),
        "frames": [each.to_dict() for each in result.frames],
    }
    write_whole(path, json.dumps(content).encode())


def read_result(path: Path) -> Result:
    """Read what `write_result` wrote. Raises BadInput for anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        frames = tuple(_frame(each) for each in values["frames"])
        return Result(values["network"], values["seed"], frames, values["trained"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise BadInput(
            "a result that cannot be read", "a whole one", "remove result.json, then start again"
        ) from exc


def read_run(folder: Folder, protocol: Protocol, network: str, seed: int) -> Result:
    """A finished run as today's figures need it: what a result of several classes from before lacks is
    counted in the masks that it kept. Raises BadInput.
    """
    result = read_result(folder.run(network, seed) / RESULT)
    if all(each.counts.background is not None for each in result.frames):
        return result
    frames = [_recounted(each, folder, protocol, network, seed) for each in result.frames]
    return replace(result, frames=tuple(frames))


def _recounted(
    frame: JudgedFrame, folder: Folder, protocol: Protocol, network: str, seed: int
) -> JudgedFrame:
    truth = unpack(folder.mask(protocol.frames[frame.number].mask).read_bytes())
    counts = count(read_drawn(folder, network, seed, frame.number), truth)
    if replace(counts, background=None).to_dict() != frame.counts.to_dict():
        todo = "remove the result.json beside masks/, then start the same command again"
        raise BadInput("a drawn mask that is not the one its run was judged by", "that one", todo)
    return replace(frame, counts=counts)


def read_drawn(folder: Folder, network: str, seed: int, number: int) -> Mask:
    """What a run drew on a held-out frame, bool (C, H, W). Raises BadInput."""
    path = folder.run(network, seed) / MASKS / f"{number}.slm"
    try:
        return unpack(path.read_bytes())
    except OSError as exc:
        raise BadInput(
            "a drawn mask that cannot be read", "the one of its run", "remove the result.json beside masks/"
        ) from exc


def _frame(values: Mapping[str, Any]) -> JudgedFrame:
    return JudgedFrame(
        int(values["number"]),
        str(values["group"]),
        counts_from_dict(values["counts"]),
        surface_from_dict(values["surface"]),
        bins_from_dict(values["bins"]),
    )
