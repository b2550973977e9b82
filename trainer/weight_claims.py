"""What a weight file says of itself, held against what can be before it is believed: it may be any file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loop.errors import BadRequest, BadWeights
from trainer.crf import crf_from_dict
from trainer.nearest import LONGEST_WORD
from trainer.networks import MAX_CLASSES, members
from trainer.networks.rates import atrous_rates, before_rates
from trainer.preparation import preparation_from_dict
from trainer.preprocess import MEAN, STD

MAX_SIDE = 8192
FOREIGN = "name a file that Sonoloop wrote, such as a model of an export: those of other programs are none"


def check_description(config: Any) -> dict[str, Any]:
    """Give the description back; the network of one that says no atrous rates by its name of today.

    Raises BadWeights where it lacks something, or claims what cannot be.
    """
    needed = {"network": str, "classes": list, "size": int, "mean": float, "std": float}
    if not isinstance(config, dict):
        raise BadWeights("weights without a description", f"one with {', '.join(needed)}", FOREIGN)
    for key, kind in needed.items():
        if not isinstance(config.get(key), kind) or not config[key]:
            said = repr(config.get(key))[:LONGEST_WORD]
            got, need = f"weights described with {key} = {said}", f"a {kind.__name__} that is not empty or 0"
            raise BadWeights(got, need, FOREIGN)
    _check_claims(config)
    if (config["mean"], config["std"]) != (MEAN, STD):
        got = f"weights for grey normalised by {config['mean']}, {config['std']}"
        raise BadWeights(
            got, f"{MEAN}, {STD}", "train again with this version: the others would see other grey"
        )
    return _with_rates(config)


def _with_rates(config: dict[str, Any]) -> dict[str, Any]:
    """Weights of other rates would fit, and draw nonsense."""
    network = config["network"]
    if "rates" not in config:
        network = before_rates(network)
        rates = atrous_rates(network)
        return config | {"network": network} | ({"rates": rates} if rates else {})
    if config["rates"] != atrous_rates(network):
        got = f"weights for {network} with the atrous rates {ascii(config['rates'])[:LONGEST_WORD]}"
        raise BadWeights(got, f"{atrous_rates(network) or 'none'}", "use the version that trained them")
    return config


def _check_claims(config: Mapping[str, Any]) -> None:
    """What decides how much memory a network takes, before it is built."""
    classes, size = config["classes"], config["size"]
    if len(classes) > MAX_CLASSES:
        raise BadWeights(f"weights for {len(classes)} classes", f"1 to {MAX_CLASSES}", FOREIGN)
    for name in classes:
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            got = f"weights for a class called {ascii(name)[:LONGEST_WORD]}"
            raise BadWeights(got, "a name that can be seen for each class", FOREIGN)
    if len(set(classes)) < len(classes):
        double = next(name for name in classes if classes.count(name) > 1)
        got = f"weights for {classes.count(double)} classes called {double[:LONGEST_WORD]!r}"
        todo = "which of them draws it cannot be known: train again with each class named once"
        raise BadWeights(got, "a name of its own for each class", todo)
    if not 32 <= size <= MAX_SIDE:
        got = f"weights for a side of {str(size)[:LONGEST_WORD]} px"
        raise BadWeights(got, f"32 to {MAX_SIDE} px", FOREIGN)
    try:
        members(config["network"])
        if config.get("crf") is not None:
            crf_from_dict(config["crf"])
    except BadRequest as exc:
        raise BadWeights(
            f"weights for {exc.got}", exc.need, "use the version that trained them, or a newer one"
        ) from exc
    try:
        preparation_from_dict(config.get("preparation", {}))
    except BadRequest as exc:
        got = f"weights for frames prepared as this version cannot ({exc.got[:LONGEST_WORD]})"
        raise BadWeights(got, exc.need, "use the version that trained them") from exc
    smallest = config.get("smallest", 0)
    if type(smallest) not in (int, float) or not 0 <= smallest < 1:
        got = f"weights whose smallest piece is the share {str(smallest)[:LONGEST_WORD]} of a frame"
        raise BadWeights(got, "0 up to, but not, 1", FOREIGN)
