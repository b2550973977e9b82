"""What is compared, and what is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from adapters.bootstrap import Container
from loop.mirror import IngestPorts
from loop.ports import BrushCodec, Clock, Database, Images, LabelStudio, Storage
from loop.serving import ServingPorts


@dataclass(frozen=True)
class Parts:
    """What is compared. `served` asks Label Studio which version a project of its own serves; `root` is the
    home's folder (None: everything lies in memory).

    `by_clock` False: a clock was turned back, so the mirror may carry a later time than Label Studio.
    """

    database: Database
    storage: Storage
    images: Images
    label_studio: LabelStudio
    codec: BrushCodec
    clock: Clock
    served: Callable[[int], str]
    root: Path | None = None
    by_clock: bool = True

    @property
    def ingest(self) -> IngestPorts:
        return IngestPorts(self.database, self.storage, self.label_studio, self.codec, self.clock)

    @property
    def serving(self) -> ServingPorts:
        return ServingPorts(self.database, self.label_studio, self.clock)


@dataclass
class Findings:
    """How many `annotations` Label Studio holds, what the mirror `lost` of them, and what else is `wrong`."""

    annotations: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not self.lost and not self.wrong

    def __str__(self) -> str:
        return "\n".join(["everything holds" if self.is_whole else "broken:", *self.lost, *self.wrong])


def parts_of(container: Container) -> Parts:
    """Those of a home with its real Label Studio."""

    def served(project: int) -> str:
        return str(container.label_studio_api.get(f"/api/projects/{project}")["model_version"])

    return Parts(
        container.database,
        container.storage,
        container.images,
        container.label_studio,
        container.codec,
        container.clock,
        served,
        container.settings.root,
    )
