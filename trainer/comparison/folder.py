"""The folder of a comparison: what lies where, whether it may be used, and who is at work in it.

protocol.json                        data, split, recipe, all networks and seeds that were asked for
data/frames/DIGEST.png, data/masks/DIGEST.slm
runs/NETWORK/seed-N/job.json         what the training was told
                    epochs.jsonl     loss and seconds of each epoch
                    checkpoint.safetensors, best-N.safetensors   while it trains
                    model.safetensors, trained.json              once it is trained
                    result.json      the held-out frames judged: the run is finished
                    failed.json      why it is not, where an attempt failed
                    masks/           what it drew on them
table.txt table.md table.csv frames.csv report.json *.png        the report
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loop.errors import BadRequest, Conflict
from trainer.comparison.protocol import (
    Plan,
    Protocol,
    differences,
    earlier_digests,
    read_protocol,
    write_protocol,
)

PROTOCOL, LOCK = "protocol.json", ".lock"
RUNS, SEED = "runs", "seed-"
PATIENCE_SECONDS = 20.0
"""How long the training of a command that was killed may take to notice that nobody listens."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Folder:
    """A comparison's folder; `lock` is the descriptor by which this process, and its trainings, hold it.
    `root` is absolute: a training stands in another working folder than the command.

    Results whose protocol bears one of the digests `earlier` are of this comparison too.
    """

    root: Path
    lock: int
    earlier: tuple[str, ...] = ()

    def frame(self, digest: str) -> Path:
        """Where a picture lies."""
        return self.root / "data" / "frames" / f"{digest}.png"

    def mask(self, digest: str) -> Path:
        """Where a truth lies."""
        return self.root / "data" / "masks" / f"{digest}.slm"

    def run(self, network: str, seed: int) -> Path:
        """The folder of one training."""
        return self.root / RUNS / network / f"{SEED}{seed}"

    def runs(self) -> list[tuple[str, int]]:
        """Network and seed of every training that has a folder."""
        places = self.root.glob(f"{RUNS}/*/{SEED}*")
        found = [(each.parent.name, each.name.removeprefix(SEED)) for each in places]
        return [(network, int(seed)) for network, seed in found if seed.isdecimal()]


def check_folder(root: Path, protocol: Protocol) -> None:
    """Decide whether a comparison may begin or go on in a folder; nothing is written.

    Raises BadRequest when it holds something else, or another comparison.
    """
    if root.exists() and not root.is_dir():
        raise BadRequest(f"{root}, which is no folder", "a new or empty folder", "choose another --out")
    if not (root / PROTOCOL).exists():
        if root.is_dir() and any(each.name != LOCK for each in root.iterdir()):
            raise BadRequest(
                f"{root}, which holds something else", "a new or empty folder", "choose another --out"
            )
        return
    there, _ = read_protocol(root / PROTOCOL)
    found = differences(there, protocol)
    if found:
        raise BadRequest(
            f"{root}, which holds another comparison ({'; '.join(found)})",
            "the same data, split and recipe",
            "choose another --out; nothing was changed",
        )


def settle_precision(root: Path, protocol: Protocol) -> str | None:
    """The precision that an earlier start settled on: what was timed once is not timed again."""
    if not (root / PROTOCOL).exists():
        return None
    return read_protocol(root / PROTOCOL)[0].recipe.precision if protocol.recipe.precision == "auto" else None


@contextmanager
def open_folder(root: Path, protocol: Protocol, plan: Plan) -> Iterator[Folder]:
    """Hold the folder for the block, and write the protocol into it, with what was planned there before.

    Trainings inherit the lock: one that outlived its command keeps the next away until it has ended. Raises
    BadRequest as `check_folder`, Conflict while another command is at work there, OutOfSpace.
    """
    check_folder(root, protocol)
    root.mkdir(parents=True, exist_ok=True)
    handle = _hold(root / LOCK)
    try:
        check_folder(root, protocol)  # another may have begun meanwhile
        earlier = earlier_digests(root / PROTOCOL, protocol)
        write_protocol(root / PROTOCOL, protocol, _with_planned(root / PROTOCOL, plan), earlier)
        yield Folder(root.absolute(), handle, earlier)
    finally:
        os.close(handle)


def _with_planned(path: Path, plan: Plan) -> Plan:
    """A plan with the networks and seeds that were asked for before."""
    if not path.exists():
        return plan
    _, before = read_protocol(path)
    networks = dict.fromkeys([*plan.networks, *before.networks])
    return Plan(tuple(networks), max(plan.seeds, before.seeds))


def _hold(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(handle)
                raise Conflict(
                    "a folder in which another comparison is at work", "it finished", "wait, then try again"
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return handle
