"""A project that somebody labels in a real Label Studio, and a mirror that follows when a test says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.bootstrap import Container
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.provision import ensure_project
from loop.ingest import reconcile
from loop.intake import frame_data
from loop.records import NewFrame, Project
from loop.regions import mask_to_result
from tests.discs import draw_disc
from tests.services.homes import NOW
from tests.services.label_studio import project_plan

FRAMES = 3


@dataclass(frozen=True)
class Reading:
    """A project with a task for each frame, in our database and in Label Studio; nobody mirrors."""

    container: Container
    project: Project
    tasks: list[int]

    @property
    def remote(self) -> int:
        return self.project.label_studio_id or 0

    def drawing(self, disc: int) -> list[dict[str, Any]]:
        mask = draw_disc(disc)[1]
        return mask_to_result(mask, self.project.classes, self.container.codec, "reader")

    def draw(self, place: int, disc: int = 0) -> int:
        """Label the task at that place; gives the annotation's id."""
        path = f"/api/tasks/{self.tasks[place]}/annotations/"
        return int(self.container.label_studio_api.post(path, {"result": self.drawing(disc)})["id"])

    def redraw(self, annotation: int, disc: int) -> None:
        self.save(annotation, self.drawing(disc))

    def damage(self, annotation: int) -> None:
        """Save what nobody can read."""
        (region,) = self.drawing(0)
        self.save(annotation, [{**region, "value": {**region["value"], "rle": [1, 2, 3]}}])

    def save(self, annotation: int, result: list[dict[str, Any]]) -> None:
        self.container.label_studio_api.patch(f"/api/annotations/{annotation}/", {"result": result})

    def delete(self, annotation: int) -> None:
        self.container.label_studio_api.delete(f"/api/annotations/{annotation}/")

    def mirror(self) -> None:
        """As the light worker does once a day."""
        reconcile(self.container.ingest_ports, self.project.id, full=True)

    def mirror_later(self, annotation: int, by: timedelta) -> None:
        """The mirror's newest state once more, as it is where Label Studio's clock was turned back since."""
        with self.container.database.write() as uow:
            latest = uow.masks.latest(annotation)
            assert latest is not None
            uow.masks.append(
                frame_id=latest.frame_id,
                annotation_id=annotation,
                updated_at=latest.updated_at + by,
                reader_id=latest.reader_id,
                decision=latest.decision,
                mask_digest=latest.mask_digest,
                seconds=None,
                proposal_id=None,
                dice_to_proposal=None,
                is_simulated=False,
                now=NOW,
            )
            uow.commit()

    def hear(self, annotation: int, age: timedelta, tasks: list[int] | None = None) -> None:
        """A webhook came so long ago, and waits."""
        with self.container.database.write() as uow:
            uow.inbox.add(
                key=f"{annotation}-{age}",
                action="ANNOTATIONS_DELETED",
                label_studio_project=self.remote,
                annotation_ids=[] if tasks else [annotation],
                task_ids=tasks or [],
                now=datetime.now(UTC) - age,
            )
            uow.commit()


def make_reading(container: Container) -> Reading:
    remote = ensure_project(container.label_studio_api, project_plan("Mirrored"))
    with container.database.write() as uow:
        project = uow.projects.add("Mirrored", ["Vein"], {})
        uow.projects.set_label_studio_id(project.id, remote)
        height, width = draw_disc(0)[0].shape
        new = [
            NewFrame(f"{remote:032x}{n:032x}", width, height, f"clip{n}", None, False) for n in range(FRAMES)
        ]
        frames = uow.frames.add(project.id, new, NOW)
        uow.commit()
    tasks = LabelStudioClient(container.label_studio_api).import_tasks(
        remote, [frame_data(f) for f in frames]
    )
    with container.database.write() as uow:
        uow.frames.set_tasks({frame.id: task for frame, task in zip(frames, tasks, strict=True)})
        uow.commit()
        project = uow.projects.get(project.id)
    return Reading(container, project, tasks)
