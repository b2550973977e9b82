"""What a report does not hold: trainings that failed, and finished ones that were not asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from trainer.comparison.failures import Failure
from trainer.comparison.judge import Result
from trainer.comparison.protocol import Plan


def gaps_note(plan: Plan, results: Sequence[Result], failures: Sequence[Failure]) -> list[str]:
    """Name each training without a result, with its reason and what helps, and what that does to the figures;
    nothing where all are finished.
    """
    said = [f"{each.run} has no result: {each.got}. What helps: {each.cure}." for each in failures]
    return [*said, *_what_follows(plan, results)] if said else []


def beside_note(beside: Mapping[str, Sequence[int]]) -> list[str]:
    """Name the finished trainings that lie in the folder and were not asked for."""
    if not beside:
        return []
    named = "; ".join(f"{network} {say_seeds(seeds)}" for network, seeds in beside.items())
    return [f"Not in this report, though finished in its folder: {named}."]


def say_seeds(seeds: Sequence[int]) -> str:
    """`seed 1`, `seeds 0, 2`."""
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _what_follows(plan: Plan, results: Sequence[Result]) -> Iterator[str]:
    seeds = {
        network: [result.seed for result in results if result.network == network] for network in plan.networks
    }
    for network, finished in seeds.items():
        if 0 < len(finished) < plan.seeds:
            yield f"The figures of {network} are those of {say_seeds(finished)} alone."
    first = plan.networks[0]
    others = [network for network in plan.networks[1:] if seeds[network]]
    if not seeds[first] and len(others) > 1:
        yield f"Differences are to {others[0]}, since {first} has no result."
