"""What makes trainings comparable, as one frozen value: data, split, recipe, size; kept beside the results.

The split is by group (patient where known, else clip) and by hash, so that it depends on nothing but the
frames themselves and a number: on every machine the same groups are held out, for every network and seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from loop.errors import BadRequest
from loop.training_records import Split
from trainer.durable import write_whole
from trainer.recipes import Recipe, recipe_from_dict

HELD_OUT = 0.4
"""Share of the groups that test; the others teach: 60/40, as in the published study."""
VERSION = 1
LONGEST = 70


@dataclass(frozen=True)
class ComparedFrame:
    """One labelled frame: `frame` and `mask` are SHA-256 of its pixels and of its truth, `classes` says which
    classes it holds.
    """

    frame: str
    mask: str
    group: str
    classes: tuple[bool, ...]


@dataclass(frozen=True)
class Protocol:
    """One comparison. `recipe` is the same for every network but for its name, and its precision is settled:
    "auto" could choose anew for every training. `base` is "scratch" or "imagenet".
    """

    classes: tuple[str, ...]
    recipe: Recipe
    base: str
    split_seed: int
    frames: tuple[ComparedFrame, ...]
    version: int = VERSION

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups, sorted."""
        return tuple(sorted({each.group for each in self.frames}))

    @property
    def held_out(self) -> frozenset[str]:
        """The groups that test."""
        return frozenset(choose_held_out(self.groups, self.split_seed))

    def of_split(self, split: Split) -> list[tuple[int, ComparedFrame]]:
        """The frames of a split with their numbers, which are their places in `frames`."""
        is_held_out = split is Split.HELD_OUT
        return [
            (n, each) for n, each in enumerate(self.frames) if (each.group in self.held_out) == is_held_out
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of all of it: results of another digest are not comparable."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types, with the split that follows written out for people."""
        held_out = sorted(self.held_out)
        split = {"train": [group for group in self.groups if group not in held_out], "held-out": held_out}
        return asdict(self) | {"split": split, "digest": self.digest}


@dataclass(frozen=True)
class Plan:
    """What to train under a protocol: each network with seeds 0..`seeds` - 1, the first for reference."""

    networks: tuple[str, ...]
    seeds: int

    def __post_init__(self) -> None:
        if not self.networks or len(set(self.networks)) < len(self.networks):
            raise BadRequest(f"networks {', '.join(self.networks) or 'none'}", "at least one, each once")
        if self.seeds < 1:
            raise BadRequest(f"{self.seeds} seeds", "at least one")

    def pairs(self) -> list[tuple[str, int]]:
        """Every (network, seed), seed by seed: whoever ends early has something to compare."""
        return [(network, seed) for seed in range(self.seeds) for network in self.networks]


def choose_held_out(groups: Sequence[str], seed: int) -> list[str]:
    """The 40 % of the groups (rounded, at least one, never all) with the lowest hash of seed and name.

    Raises BadRequest for fewer than two groups.
    """
    names = sorted(set(groups), key=lambda group: _position(group, seed))
    if len(names) < 2:
        raise BadRequest(
            f"frames of {len(names)} clip",
            "at least two clips: one to learn from and one to test on",
            "add recordings, or say by sub-folders or an index.csv which frames belong together",
        )
    return names[: min(len(names) - 1, max(1, round(len(names) * HELD_OUT)))]


def check_protocol(protocol: Protocol) -> None:
    """Raises BadRequest where nothing could be compared: no mask with anything in it, one clip only."""
    if not any(any(each.classes) for each in protocol.frames):
        raise BadRequest(
            f"{len(protocol.frames)} masks, none with {' or '.join(protocol.classes)} in it",
            "frames on which it is drawn",
            "say which pixel value is which class, as in --classes vessel=2",
        )
    choose_held_out(protocol.groups, protocol.split_seed)


def differences(there: Protocol, asked: Protocol) -> list[str]:
    """What keeps results of one protocol from standing beside those of another, in words."""
    found = [
        f"{name} {_said(mine)} there, {_said(yours)} asked"
        for name, mine, yours in (
            *((each.name, getattr(there, each.name), getattr(asked, each.name)) for each in fields(Protocol)),
            *(
                (each.name, getattr(there.recipe, each.name), getattr(asked.recipe, each.name))
                for each in fields(Recipe)
            ),
        )
        if name not in ("recipe", "frames", "network") and mine != yours
    ]
    if there.frames != asked.frames:
        same = len(set(there.frames) & set(asked.frames))
        found.append(f"{len(there.frames)} frames there, {len(asked.frames)} asked, {same} of them the same")
    return found


def write_protocol(path: Path, protocol: Protocol, plan: Plan) -> None:
    """Write both as JSON. Raises OutOfSpace."""
    content = {"plan": asdict(plan), **protocol.to_dict()}
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def read_protocol(path: Path) -> tuple[Protocol, Plan]:
    """Read what `write_protocol` wrote. Raises BadRequest for anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        protocol, plan = _protocol(values), Plan(tuple(values["plan"]["networks"]), values["plan"]["seeds"])
        is_whole = values["digest"] == protocol.digest
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise _unreadable() from exc
    if not is_whole:
        raise _unreadable()
    return protocol, plan


def _protocol(values: Mapping[str, Any]) -> Protocol:
    frames = [
        ComparedFrame(each["frame"], each["mask"], each["group"], tuple(each["classes"]))
        for each in values["frames"]
    ]
    return Protocol(
        tuple(values["classes"]),
        recipe_from_dict(values["recipe"]),
        values["base"],
        values["split_seed"],
        tuple(frames),
        values["version"],
    )


def _unreadable() -> BadRequest:
    return BadRequest(
        "a protocol that cannot be read or was changed by hand",
        "what this program wrote",
        "choose another --out",
    )


def _position(group: str, seed: int) -> str:
    return hashlib.sha256(f"compare\n{seed}\n{group}".encode()).hexdigest()


def _said(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
