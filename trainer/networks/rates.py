"""The atrous rates of networks that one could confuse: rates change no tensor's shape, so that weights of one
fit the other and answer wrongly. Files therefore say which rates they are of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loop.errors import BadRequest
from trainer.networks.registry import NETWORKS

BEFORE: Mapping[str, str] = {"deeplabv3plus": "deeplabv3plus-wide"}
"""What a network is called now that lent its name to another one; no file named its rates until then."""


def atrous_rates(name: str) -> dict[str, list[int]]:
    """The rates of a network, or of each member of an ensemble that has some, by name; in JSON's types."""
    entries = {each: NETWORKS[each] for each in name.split("+") if each in NETWORKS}
    return {each: list(entry.rates) for each, entry in entries.items() if entry.rates}


def before_rates(name: str) -> str:
    """The name today of a network, or an ensemble, that a file names without saying its rates."""
    return "+".join(BEFORE.get(each, each) for each in name.split("+"))


def check_names(networks: Iterable[str]) -> None:
    """Raises BadRequest for networks of a comparison without rates whose results bear another's name now."""
    for name in networks:
        if (now := before_rates(name)) != name:
            raise BadRequest(
                f"a comparison in which {name} was what {now} is now",
                "one whose networks are called as they are now",
                f"choose another --out, and name {now} for the network as it was; nothing was changed",
            )
