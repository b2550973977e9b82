"""What the training process is told: one JSON file, made by the worker, read by `python -m trainer.run`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from loop.errors import BadRequest
from loop.training_records import Split
from trainer.durable import write_whole
from trainer.networks import members
from trainer.recipe_files import recipe_from_dict
from trainer.recipes import Recipe

IMAGENET = "imagenet"
"""As `JobSpec.base`: the downloaded encoder of that name instead of a file."""


@dataclass(frozen=True)
class Sample:
    """One frame with its truth: paths of a grey picture (PNG) and of a packed mask (`loop.masks.pack`)."""

    frame_id: int
    group: str
    split: Split
    image: Path
    mask: Path


@dataclass(frozen=True)
class JobSpec:
    """One training. `out` is a folder of this attempt alone.

    `base` is a weight file, "imagenet" or None (from scratch); `champion` the weight file to compare with
    on the held-out frames. `prior_class` is the class that one-channel weights stand for (None: the first).
    With a digest given, a file that differs is refused. `resume_from` is the folder of an earlier attempt
    at the same job.
    """

    classes: tuple[str, ...]
    recipe: Recipe
    seed: int
    threads: int
    samples: tuple[Sample, ...]
    out: Path
    base: str | None = None
    base_digest: str | None = None
    champion: Path | None = None
    champion_digest: str | None = None
    prior_class: str | None = None
    resume_from: Path | None = None

    def __post_init__(self) -> None:
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise BadRequest(
                f"classes {list(self.classes)}", "at least one, each once", "leave out what is double"
            )
        if self.seed < 0 or self.threads < 1:
            got, need = f"seed {self.seed}, {self.threads} threads", "a seed of 0 or more, 1 thread or more"
            raise BadRequest(got, need, "take seed 0 and a thread for each core")
        if self.prior_class is not None and self.prior_class not in self.classes:
            todo = "name the class that the base weights draw"
            raise BadRequest(f"prior class {self.prior_class!r}", f"one of {', '.join(self.classes)}", todo)
        check_start(self.recipe, self.base)

    @property
    def origin(self) -> str:
        """What the network begins as: "scratch", "imagenet", or the digest of a file ("file" when not
        given).
        """
        if self.base in (None, IMAGENET):
            return self.base or "scratch"
        return self.base_digest or "file"

    def of_split(self, split: Split) -> list[Sample]:
        """List the samples of one split, in the order given."""
        return [sample for sample in self.samples if sample.split is split]

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all. Raises OutOfSpace."""
        write_whole(path, json.dumps(asdict(self), default=str, indent=1).encode())


def check_start(recipe: Recipe, base: str | None) -> None:
    """Raises BadRequest for a recipe that keeps stages as they are, and a base (None) that has none; for
    ImageNet's weights of a network that none were published for.
    """
    if base == IMAGENET and not all(entry.is_pretrained for entry in members(recipe.network)):
        need = "a network with an encoder that was published with weights"
        todo = "take another network or recipe, or --weights scratch"
        raise BadRequest(f"{IMAGENET} weights for {recipe.network}", need, todo)
    if recipe.train_from and base is None:
        got = f"train_from {recipe.train_from!r} for a network from scratch"
        todo = "begin from weights, or leave train_from out: what stays as it is must have been trained"
        raise BadRequest(got, "base weights", todo)


def check_base(recipe: Recipe, network: str) -> None:
    """Raises BadRequest for base weights of another network than the recipe's."""
    if network != recipe.network:
        todo = f'take a recipe with "network": "{network}", other base weights, or none (--weights scratch)'
        raise BadRequest(f"base weights of {network}", f"some of {recipe.network}, as the recipe says", todo)


def read_job(path: Path) -> JobSpec:
    """Read what `JobSpec.write` wrote. Raises BadRequest for anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return _job_from_dict(values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        got = f"an unreadable job file ({type(exc).__name__})"
        raise BadRequest(got, "what JobSpec.write gives", "begin the training anew") from exc


def _job_from_dict(values: Mapping[str, Any]) -> JobSpec:
    job = _known(JobSpec, values)
    job["classes"] = tuple(job["classes"])
    job["recipe"] = recipe_from_dict(job["recipe"])
    job["samples"] = tuple(_samples(job["samples"]))
    job["out"] = Path(job["out"])
    for name in ("champion", "resume_from"):
        job[name] = Path(job[name]) if job.get(name) else None
    return JobSpec(**job)


def _samples(items: Iterable[Mapping[str, Any]]) -> Iterable[Sample]:
    for item in items:
        sample = _known(Sample, item)
        paths = {name: Path(sample.pop(name)) for name in ("image", "mask")}
        yield Sample(**sample | paths | {"split": Split(sample["split"])})


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(values) - {field.name for field in fields(kind)})
    if unknown:
        need = f"some of {', '.join(field.name for field in fields(kind))}"
        raise BadRequest(
            f"unknown job keys {', '.join(unknown)}", need, "use the version that wrote the file"
        )
    return dict(values)
