"""What makes trainings comparable, as one frozen value: data, split, recipe, size; kept beside the results.

The split is by group (patient where known, else clip) and by hash, so that it depends on nothing but the
frames themselves and a number: on every machine the same groups are held out, for every network and seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from loop.errors import BadRequest
from loop.training_records import Split
from trainer.durable import write_whole
from trainer.networks.rates import atrous_rates, check_names
from trainer.recipe_files import recipe_from_dict
from trainer.recipes import Recipe

HELD_OUT = 0.4
"""Share of the groups that test; the others teach: 60/40, as in the published study."""
VERSION = 1
LONGEST = 70
ONE_SIDED = {
    Split.TRAIN: "No frame that taught shows {}: no network could learn it.",
    Split.HELD_OUT: "No frame that tested shows {}: figures of it count false alarms alone.",
}
BESIDE = ("plan", "split", "digest", "earlier", "rates")
"""What the file holds beside the protocol: it decides nothing."""


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
        """SHA-256 of all that decides: results of another digest are not comparable.

        The recipe's network is each run's own, and a field that holds its default decides nothing that was
        not decided before there was such a field: a folder outlives the versions that add some.
        """
        recipe = {name: value for name, value in self.recipe.deciding().items() if name != "network"}
        return _sha256(asdict(self) | {"recipe": recipe})

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
            got = f"networks {', '.join(self.networks) or 'none'}"
            raise BadRequest(got, "at least one, each once", "see `./sonoloop networks` for those there are")
        if self.seeds < 1:
            raise BadRequest(f"{self.seeds} seeds", "at least one", "three tell chance from a difference")

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
    """Raises BadRequest where something could not be compared: a class that no mask shows, one clip only."""
    missing = unseen(protocol.classes, protocol.frames)
    if missing:
        raise BadRequest(
            f"{len(protocol.frames)} masks, none with {' or '.join(missing)} in it",
            "frames on which each class is drawn",
            "leave it out, or say which pixel value is which class, as in --classes vessel=2",
        )
    choose_held_out(protocol.groups, protocol.split_seed)


def unseen(classes: Sequence[str], frames: Iterable[ComparedFrame]) -> list[str]:
    """The classes that none of the frames shows."""
    seen = {number for each in frames for number, is_there in enumerate(each.classes) if is_there}
    return [name for number, name in enumerate(classes) if number not in seen]


def one_sided(protocol: Protocol) -> list[str]:
    """What must be said of classes that only one side of the split shows, a sentence for each side."""
    without = {
        split: unseen(protocol.classes, [each for _, each in protocol.of_split(split)]) for split in ONE_SIDED
    }
    return [said.format(" or ".join(without[split])) for split, said in ONE_SIDED.items() if without[split]]


def differences(there: Protocol, asked: Protocol) -> list[str]:
    """What keeps results of one protocol from standing beside those of another, in words."""
    found = [
        f"{name} {_said(mine)} there, {_said(yours)} asked"
        for name, mine, yours in _pairs(there, asked)
        if name not in ("frames", "network") and mine != yours
    ]
    if there.frames != asked.frames:
        same = len(set(there.frames) & set(asked.frames))
        found.append(f"{len(there.frames)} frames there, {len(asked.frames)} asked, {same} of them the same")
    return found


def write_protocol(path: Path, protocol: Protocol, plan: Plan, earlier: Sequence[str] = ()) -> None:
    """Write both as JSON, with other digests that results of the same protocol bear. Raises OutOfSpace."""
    rates = atrous_rates("+".join(plan.networks))
    content = {"plan": asdict(plan), "rates": rates, **protocol.to_dict()} | (
        {"earlier": list(earlier)} if earlier else {}
    )
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def read_protocol(path: Path) -> tuple[Protocol, Plan]:
    """Read what `write_protocol` wrote, now or in an older version. Raises BadRequest for anything else, and
    as `check_names` does for one from before it said atrous rates.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        protocol, plan = _protocol(values), Plan(tuple(values["plan"]["networks"]), values["plan"]["seeds"])
        is_whole = values["digest"] in (protocol.digest, _digest_as_written(values))
        is_whole &= all(isinstance(each, str) for each in values.get("earlier", []))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, BadRequest) as exc:
        raise _unreadable() from exc
    if not is_whole:
        raise _unreadable()
    if "rates" not in values:
        check_names(plan.networks)
    return protocol, plan


def earlier_digests(path: Path, protocol: Protocol) -> tuple[str, ...]:
    """The digests by which older versions named the results of this protocol, as its file knows them; none
    without a file.
    """
    if not path.exists():
        return ()
    values = json.loads(path.read_text(encoding="utf-8"))
    known = [values["digest"], *values.get("earlier", [])]
    return tuple(sorted(set(known) - {protocol.digest}))


def _digest_as_written(values: Mapping[str, Any]) -> str:
    """What 0.1.0 called a protocol's digest at first: that of every field there was, defaults included."""
    return _sha256({name: value for name, value in values.items() if name not in BESIDE})


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
        "a protocol.json that cannot be read: changed by hand, or written by another version",
        "one that this version knows",
        "go on with the version that wrote it, or choose another --out; nothing was changed",
    )


def _pairs(there: Any, asked: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every field of two values of one dataclass, by name; of those within it theirs instead."""
    for field in fields(there):
        mine, yours = getattr(there, field.name), getattr(asked, field.name)
        if is_dataclass(mine):
            yield from _pairs(mine, yours)
        else:
            yield field.name, mine, yours


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _position(group: str, seed: int) -> str:
    return hashlib.sha256(f"compare\n{seed}\n{group}".encode()).hexdigest()


def _said(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
