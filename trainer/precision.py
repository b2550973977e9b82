"""Which number format a device is fastest in, found by trying: a CPU may lack the instructions that bf16
needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.nn import functional

ROUNDS = 4
GAIN = 1.2
"""bf16 must be so many times faster to be worth its coarser numbers."""


def find_device() -> torch.device:
    """Choose the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_precision(wanted: str, device: torch.device) -> str:
    """Turn "auto" into "float32", "bfloat16" or "float16" for this device (0.2 s on a CPU); others stay."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if _is_bf16_faster() else "float32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Make the context in which a network runs at that precision."""
    wanted = getattr(torch, precision)
    return torch.autocast(device.type, dtype=wanted, enabled=wanted is not torch.float32)


def _is_bf16_faster() -> bool:
    """Time one training step of one convolution, the two formats in turn, so that other load hits both
    alike.
    """
    weight = torch.ones(64, 64, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    x = torch.ones(4, 64, 64, 64).contiguous(memory_format=torch.channels_last).requires_grad_()

    def step(is_bf16: bool) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
            y = functional.conv2d(x, weight, padding=1)
        torch.autograd.backward(y.float().mean())

    times: list[tuple[float, float]] = [
        (_seconds(lambda: step(False)), _seconds(lambda: step(True))) for _ in range(ROUNDS)
    ]
    full, half = (min(column) for column in zip(*times[1:], strict=True))
    return bool(full > GAIN * half)


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
