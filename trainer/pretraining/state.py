"""Network, optimiser and running mean of the weights, saved and resumed without pickles."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


class TrainingState:
    """Everything that a training needs to go on: use `step`, `save` and `resume`."""

    def __init__(self, network: nn.Module, peak_rate: float, weight_decay: float, average: float) -> None:
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = deepcopy(network).eval()
        self._optimiser = torch.optim.AdamW(network.parameters(), peak_rate, weight_decay=weight_decay)
        self._peak_rate = peak_rate
        self._average = average
        self._steps = 0

    def set_rate(self, share: float) -> None:
        """Set the learning rate to a share of its peak."""
        self._optimiser.param_groups[0]["lr"] = self._peak_rate * share

    def step(self, loss: Tensor) -> None:
        """One step downhill, and one of the running mean, which begins quickly and slows down."""
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._steps += 1
        decay = min(self._average, (1 + self._steps) / (10 + self._steps))
        with torch.no_grad():
            for mean, now in zip(_tensors(self.averaged), _tensors(self.network), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, 1 - decay)
                else:
                    mean.copy_(now)

    def save(self, path: Path, epochs_done: int) -> None:
        """Write all tensors to `path`, in one move."""
        tensors = {f"network.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v.contiguous() for k, v in self.averaged.state_dict().items()}
        for index, slot in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value.contiguous() for name, value in slot.items()}
        unfinished = path.with_suffix(".tmp")
        save_file(tensors, unfinished, {"epochs_done": str(epochs_done), "steps": str(self._steps)})
        unfinished.replace(path)

    def resume(self, path: Path) -> int:
        """Read what `save` wrote and give the number of epochs done; 0 where there is nothing."""
        if not path.exists():
            return 0
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            metadata = file.metadata()
        self.network.load_state_dict(_under("network.", tensors))
        self.averaged.load_state_dict(_under("averaged.", tensors))
        self._load_optimiser(_under("optimiser.", tensors))
        self._steps = int(metadata["steps"])
        return int(metadata["epochs_done"])

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, name = key.split(".", 1)
            slots.setdefault(int(index), {})[name] = value
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": slots, "param_groups": groups})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return iter(network.state_dict().values())
