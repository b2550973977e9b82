"""The held-out frames as candidate and champion see them, counted pixel by pixel for the gate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from loop.errors import BadInput
from loop.masks import probs_to_mask
from loop.ports import Segmenter
from trainer.dataset import read_sample
from trainer.durable import write_whole
from trainer.job import Sample
from trainer.metrics import Counts, Scores, count, score


@dataclass(frozen=True)
class Outcome:
    """One held-out frame at its own size; `champion` is None when none serves."""

    frame_id: int
    group: str
    candidate: Counts
    champion: Counts | None


@dataclass(frozen=True)
class Evaluation:
    """All outcomes, and the frames that could not be read with the reason."""

    outcomes: tuple[Outcome, ...]
    rejected: tuple[tuple[int, BadInput], ...] = ()

    @property
    def candidate(self) -> Scores:
        """The candidate's scores."""
        return score([outcome.candidate for outcome in self.outcomes])

    @property
    def champion(self) -> Scores | None:
        """The champion's scores on the same frames, if there is one."""
        counts = [outcome.champion for outcome in self.outcomes if outcome.champion is not None]
        return score(counts) if counts else None

    def write(self, path: Path) -> None:
        """Write it as JSON. Raises OutOfSpace."""
        frames = [
            {
                "frame_id": outcome.frame_id,
                "group": outcome.group,
                "candidate": outcome.candidate.to_dict(),
                "champion": outcome.champion.to_dict() if outcome.champion else None,
            }
            for outcome in self.outcomes
        ]
        write_whole(path, json.dumps({"frames": frames}).encode())


def evaluate(
    samples: Iterable[Sample],
    candidate: Segmenter,
    champion: Segmenter | None,
    between: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Let both models predict every frame, as they do in service, and compare with the truth.

    Both models must serve the same classes. `between` is called before each frame and may raise to end it.
    """
    outcomes: list[Outcome] = []
    rejected: list[tuple[int, BadInput]] = []
    for sample in samples:
        between()
        try:
            image, truth = read_sample(sample, len(candidate.classes))
        except BadInput as exc:
            rejected.append((sample.frame_id, exc))
            continue
        mine = count(probs_to_mask(candidate.predict(image)), truth)
        other = count(probs_to_mask(champion.predict(image)), truth) if champion else None
        outcomes.append(Outcome(sample.frame_id, sample.group, mine, other))
    return Evaluation(tuple(outcomes), tuple(rejected))
