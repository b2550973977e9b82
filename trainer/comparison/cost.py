"""What a network costs: parameters and multiply-adds by counting, milliseconds by timing in turn."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from loop.errors import BadInput
from trainer.durable import write_whole
from trainer.networks import build_network

if TYPE_CHECKING:
    import torch

ROUNDS, WARM_UP = 11, 2


@dataclass(frozen=True)
class Cost:
    """Of one network for one frame, or one tile of it: parameters, 10^9 multiply-adds of a forward pass."""

    parameters: int
    gmac: float


@dataclass(frozen=True)
class Timing:
    """Median ms of a forward pass of one frame, or one tile, by network, and under what they were taken."""

    ms: dict[str, float]
    size: int
    threads: int
    precision: str
    device: str
    rounds: int = ROUNDS


def count_cost(network: str, classes: int, size: int) -> Cost:
    """Count without computing anything: a frame of `size` x `size` px goes through shapes alone.

    Convolutions and matrix products count, as usual; additions of a bias, activations and resizing do not.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    built = build_network(network, classes).to("meta").eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        built(torch.empty(1, 1, size, size, device="meta"))
    return Cost(sum(p.numel() for p in built.parameters()), counter.get_total_flops() / 2e9)


def time_networks(
    networks: Sequence[str],
    classes: int,
    size: int,
    precision: str,
    threads: int,
) -> Timing:
    """Time the forward pass of one frame, the networks in turn, so that other load hits all alike.

    Untrained networks: time does not depend on the weights.
    """
    import torch

    from trainer.precision import autocast, find_device

    torch.set_num_threads(threads)
    device = find_device()
    built = {name: build_network(name, classes).eval().to(device) for name in networks}
    for network in built.values():
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frame = torch.zeros(1, 1, size, size, device=device).contiguous(memory_format=torch.channels_last)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for number in range(WARM_UP + ROUNDS):
            for name, network in built.items():
                with autocast(precision, device):  # anew for each, as in service: casting weights takes time
                    passed = _seconds(network, frame, device)
                if number >= WARM_UP:
                    seconds[name].append(passed)
    ms = {name: 1000 * median(each) for name, each in seconds.items()}
    return Timing(ms, size, threads, precision, _device_name(device))


def kept_timing(path: Path, networks: Sequence[str], threads: int) -> Timing | None:
    """Timings of an earlier start, if they are of all these networks and as many threads on this machine."""
    try:
        found = Timing(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    is_same = found.threads == threads and set(networks) <= set(found.ms)
    return found if is_same and found.device == _device_name() else None


def keep_timing(path: Path, timing: Timing) -> None:
    """Write timings for `kept_timing`. Raises OutOfSpace."""
    write_whole(path, (json.dumps(asdict(timing), indent=1) + "\n").encode())


def _seconds(network: torch.nn.Module, frame: torch.Tensor, device: torch.device) -> float:
    import torch

    began = time.perf_counter()
    logits = network(frame)
    if device.type == "cuda":
        torch.cuda.synchronize()
    passed = time.perf_counter() - began
    if logits.shape[-2:] != frame.shape[-2:]:
        got, need = f"logits of {tuple(logits.shape)}", f"one for each of {tuple(frame.shape)} pixels"
        raise BadInput(got, need, "leave that network out: it does not answer at the frame's size")
    return passed


def _device_name(device: torch.device | None = None) -> str:
    import torch

    from trainer.precision import find_device

    if (device or find_device()).type == "cuda":
        return torch.cuda.get_device_name()
    return _processor()


def _processor() -> str:
    """The processor's name as Linux tells it, else its architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
