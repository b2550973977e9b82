"""Going through a comparison, run by run: look what is left of each, train, judge, tell.

A run that fails does not keep the others from being done: it is noted, and tried again at the next start.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from loop.errors import BadInput, OutOfSpace, SonoloopError
from trainer.comparison.child import train_in_child
from trainer.comparison.cost import Cost
from trainer.comparison.failures import Failure, concerns_one, drop_failure, keep_failure, read_failure
from trainer.comparison.folder import Folder
from trainer.comparison.judge import Result, judge_run, read_run
from trainer.comparison.protocol import Plan, Protocol
from trainer.comparison.runs import (
    JOB,
    Action,
    decide,
    drop_unfinished,
    find_traces,
    keep_trained,
    make_job,
    note_epoch,
    read_epochs,
)

COPIES_WHILE_TRAINING = 10
"""Times a network's weights on the disk: a checkpoint with two moments, and the mean where the recipe asks
for one, once more while it is written; the best before and the best now.
"""
BYTES = 4


@dataclass(frozen=True)
class News:
    """Where a comparison is: `stage` is "begins", "training", "epoch" (one ended), "judging", "finished" or
    "failed", of the run named; `finished` of `runs` are done. `step` of `steps` counts optimiser steps while
    it trains; `failure` says why it failed.
    """

    network: str
    seed: int
    action: Action
    stage: str
    finished: int
    runs: int
    step: int = 0
    steps: int = 0
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    eta_seconds: float | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Comparison:
    """A comparison in its folder, with the cost of each of its networks."""

    folder: Folder
    protocol: Protocol
    plan: Plan
    costs: Mapping[str, Cost]
    threads: int

    @property
    def digests(self) -> tuple[str, ...]:
        """Those that results of this comparison bear."""
        return (self.protocol.digest, *self.folder.earlier)

    def actions(self) -> dict[tuple[str, int], Action]:
        """What is left of every run, in the order in which they are done."""
        return {pair: self._action(*pair) for pair in self.plan.pairs()}

    def results(self) -> list[Result]:
        """Those of the finished runs, in the order of the plan. Raises BadInput where one cannot be read."""
        done = [pair for pair, action in self.actions().items() if action is Action.NOTHING]
        return [read_run(self.folder, self.protocol, *pair) for pair in done]

    def failures(self) -> list[Failure]:
        """How the last attempts at unfinished runs failed, in the order of the plan."""
        left = [pair for pair, action in self.actions().items() if action is not Action.NOTHING]
        noted = [read_failure(self.folder.run(*pair), self.digests) for pair in left]
        return [each for each in noted if each is not None]

    def beside(self) -> dict[str, list[int]]:
        """Seeds of the finished runs, by network, that the folder holds and the plan does not ask for."""
        found: dict[str, list[int]] = {}
        for network, seed in sorted(set(self.folder.runs()) - set(self.plan.pairs())):
            if self._action(network, seed) is Action.NOTHING:
                found.setdefault(network, []).append(seed)
        return found

    def _action(self, network: str, seed: int) -> Action:
        return decide(find_traces(self.folder.run(network, seed)), self.digests)


def carry_out(comparison: Comparison) -> Generator[News]:
    """Do what is left of every run, telling of each step; a finished run is not touched.

    A run that fails is noted and told, and the next is begun. To stop, close the iterator or raise through
    it: the training ends between two steps, and the next start goes on from its last epoch. Raises what
    concerns all runs, see `failures.concerns_one`.
    """
    actions = comparison.actions()
    left = [pair for pair, action in actions.items() if action is not Action.NOTHING]
    finished = len(actions) - len(left)
    for place, pair in enumerate(left):
        try:
            yield from _run(comparison, pair, actions[pair], finished, left[place + 1 :])
            finished += 1
        except SonoloopError as exc:
            if not concerns_one(exc):
                raise
            failure = Failure(*pair, exc.got, exc.need, exc.todo)
            keep_failure(comparison.folder.run(*pair), comparison.protocol.digest, failure)
            yield News(*pair, actions[pair], "failed", finished, len(actions), failure=failure)


def check_room(comparison: Comparison) -> None:
    """Raises OutOfSpace where the disk is too full for what is left: said before hours are spent."""
    left = [pair for pair, action in comparison.actions().items() if action is not Action.NOTHING]
    sizes = [comparison.costs[network].parameters * BYTES for network, _ in left]
    need = sum(sizes) + COPIES_WHILE_TRAINING * max(sizes, default=0)
    free = shutil.disk_usage(comparison.folder.root).free
    if free < need:
        raise OutOfSpace(
            f"{free >> 20} MB free for {len(left)} trainings",
            f"{need >> 20} MB",
            "make room, or choose another --out",
        )


def remaining_seconds(
    pending: Sequence[str],
    seconds: Mapping[str, Sequence[float]],
    gmac: Mapping[str, float],
    left_of_this: float = 0.0,
) -> float | None:
    """Estimate what is left: of the run in progress, and of the networks still to train, each as long as it
    took before, else as long as its multiply-adds suggest. None while nothing was measured.
    """
    means = {name: sum(each) / len(each) for name, each in seconds.items() if each}
    if not means:
        return None if pending else left_of_this
    rate = sum(means.values()) / sum(gmac[name] for name in means)
    return left_of_this + sum(means.get(name, rate * gmac[name]) for name in pending)


def _run(
    comparison: Comparison,
    pair: tuple[str, int],
    action: Action,
    finished: int,
    after: Sequence[tuple[str, int]],
) -> Generator[News]:
    runs = len(comparison.plan.pairs())

    def news(stage: str, **more: object) -> News:
        return News(*pair, action, stage, finished + (stage == "finished"), runs, **more)  # type: ignore[arg-type]

    pending = [network for network, _ in after]
    drop_failure(comparison.folder.run(*pair))
    yield news("begins", eta_seconds=_eta(comparison, [pair[0], *pending]))
    if action in (Action.TRAIN, Action.RESUME):
        with _named(*pair), closing(_train(comparison, pair, action)) as events:
            for event in events:
                yield news(_stage(event), **_where(event), eta_seconds=_eta(comparison, pending, event))
    yield news("judging")
    with _named(*pair):
        drop_unfinished(comparison.folder.run(*pair))
        judge_run(comparison.folder, comparison.protocol, *pair, comparison.threads)
    yield news("finished", eta_seconds=_eta(comparison, pending))


@contextmanager
def _named(network: str, seed: int) -> Iterator[None]:
    """Say of whatever is raised which run it was."""
    try:
        yield
    except SonoloopError as exc:
        raise type(exc)(exc.got, exc.need, exc.todo, **exc.ids, network=network, seed=seed) from exc


def _train(comparison: Comparison, pair: tuple[str, int], action: Action) -> Generator[Mapping[str, object]]:
    """Yield the events that say where the training is; its end is noted before this ends."""
    folder, protocol = comparison.folder, comparison.protocol
    place = folder.run(*pair)
    if action is Action.TRAIN:
        shutil.rmtree(place, ignore_errors=True)  # what is there belongs to no training that could go on
    place.mkdir(parents=True, exist_ok=True)
    make_job(folder, protocol, *pair, comparison.threads, action).write(place / JOB)
    with closing(train_in_child(place / JOB, folder.lock)) as events:
        for event in events:
            if event["event"] == "set-aside":
                raise BadInput(
                    "a frame that could not be used any more", "the one kept", "choose another --out"
                )
            if event["event"] == "epoch":
                note_epoch(place, event)
            if event["event"] in ("step", "epoch"):
                yield event
            if event["event"] == "done":
                kept = {name: event[name] for name in ("digest", "config", "metrics")}
                keep_trained(place, protocol.digest, kept)


def _stage(event: Mapping[str, object]) -> str:
    return "epoch" if event["event"] == "epoch" else "training"


def _where(event: Mapping[str, object]) -> dict[str, object]:
    return {name: event.get(name, 0) for name in ("step", "steps", "epoch", "epochs", "loss")}


def _eta(
    comparison: Comparison, pending: Sequence[str], event: Mapping[str, object] | None = None
) -> float | None:
    gmac = {name: cost.gmac for name, cost in comparison.costs.items()}
    left_of_this = float(str(event["eta_seconds"])) if event else 0.0
    return remaining_seconds(pending, _seconds_so_far(comparison), gmac, left_of_this)


def _seconds_so_far(comparison: Comparison) -> dict[str, list[float]]:
    """Seconds of each whole training, by network; each epoch's are noted when it ends."""
    found: dict[str, list[float]] = {}
    for network, seed in comparison.plan.pairs():
        notes = read_epochs(comparison.folder.run(network, seed))
        if notes:
            each = sum(float(note["seconds"]) for note in notes) / len(notes)
            found.setdefault(network, []).append(each * int(notes[-1]["epochs"]))
    return found
