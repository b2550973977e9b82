"""How much memory this process has held at most."""

from __future__ import annotations

import resource
import sys

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in what the system calls one: macOS counts bytes, Linux KiB."""


def peak_bytes(device: str) -> dict[str, int]:
    """By device: "cpu" is the process's resident memory, "cuda" what torch has held on the GPU in use."""
    found = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT}
    if device == "cuda":
        import torch

        found["cuda"] = torch.cuda.max_memory_reserved()
    return found
