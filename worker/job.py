"""From a frozen round to the job of a training process: files for digests, the recipe, base weights, the
champion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.bootstrap import Container
from adapters.cores import usable_cores
from loop.errors import BadInput
from loop.outcomes import FrameOutcome, outcomes_from_evaluation
from loop.records import ModelVersion, Project
from loop.rounds import serving_weights
from loop.serving import is_order_only
from loop.training_records import Round, TrainingSet
from trainer.job import IMAGENET, JobSpec, Sample
from trainer.recipe_files import resolve_recipe
from trainer.recipes import Recipe


@dataclass(frozen=True)
class Facts:
    """What a job is made from beside the training set; `no `champion`: nothing to compare with."""

    project: Project
    base: ModelVersion | None
    champion: ModelVersion | None

    @property
    def origin(self) -> str:
        """Where the weights of this round begin: "phantoms", "file", "imagenet" or "scratch"."""
        if self.base is not None:
            return self.base.origin
        return IMAGENET if self.project.settings.get("weights") == IMAGENET else "scratch"


def gather_facts(container: Container, round_: Round) -> Facts:
    """Look up the project, its version 0 (every round begins there again) and its champion."""
    with container.database.read() as uow:
        project = uow.projects.get(round_.project_id)
        first = next((each for each in uow.models.list(project.id) if each.number == 0), None)
        base = None if first is None or is_order_only(first) else first
        return Facts(project, base, serving_weights(uow, project.id))


def choose_recipe(container: Container, project: Project) -> Recipe:
    """The project's recipe and size, else the settings'. Raises BadRequest as `resolve_recipe` does."""
    settings = container.settings
    return resolve_recipe(project.settings, settings.recipe, settings.image_size)


def build_job(
    container: Container, round_: Round, training_set: TrainingSet, facts: Facts, recipe: Recipe, out: Path
) -> JobSpec:
    """Every sample with its files. Raises NotFound for content that storage has lost, Unavailable."""
    storage = container.storage
    samples = [
        Sample(
            entry.frame_id,
            entry.group,
            entry.split,
            storage.local_path("frames", entry.frame_digest),
            storage.local_path("masks", entry.mask_digest),
        )
        for entry in training_set.entries
    ]
    base, champion = facts.base, facts.champion
    return JobSpec(
        classes=facts.project.classes,
        recipe=recipe,
        seed=round_.seed,
        threads=container.settings.threads or usable_cores(),
        samples=tuple(samples),
        out=out,
        base=_base(container, facts),
        base_digest=base.digest if base else None,
        champion=storage.local_path("models", champion.digest) if champion else None,
        champion_digest=champion.digest if champion else None,
        prior_class=facts.project.settings.get("prior") or None,
    )


def read_outcomes(
    path: Path,
) -> tuple[Sequence[FrameOutcome], Sequence[FrameOutcome] | None]:
    """The candidate's and the champion's outcomes that a training process left; None: there was no champion.

    Raises BadInput when the file is lost or not whole, or only some frames have the champion's outcome.
    """
    try:
        evaluation = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BadInput("an evaluation that cannot be read", "the one of a finished training") from exc
    return outcomes_from_evaluation(evaluation)


def _base(container: Container, facts: Facts) -> str | None:
    if facts.base is not None:
        return str(container.storage.local_path("models", facts.base.digest))
    return IMAGENET if facts.origin == IMAGENET else None
