"""A home with labelled frames in its database and storage, as readers would have left it, without Label
Studio.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from adapters.bootstrap import Container, build
from adapters.formats.pixels import encode_png
from adapters.settings import Settings
from loop.frames import frame_digest
from loop.masks import mask_digest, pack, unpack
from loop.records import Decision, Frame, NewFrame, Project
from loop.regions import mask_to_result
from tests.discs import TINY, draw_disc
from tests.fakes.label_studio import FakeLabelStudio
from tests.invariants import Parts

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
LABEL_STUDIO_PROJECT = 7


def make_settings(folder: Path, **changes: Any) -> Settings:
    """Settings of a home that reaches no service unless told to."""
    secrets = {name: SecretStr(name) for name in ("backend_password", "webhook_secret", "label_studio_token")}
    values = {
        "home": folder / "home",
        "threads": 1,
        "lease_seconds": 5,
        "label_studio_url": "http://127.0.0.1:9",
    }
    return Settings(**{**secrets, **values, **changes})


def make_home(
    settings: Settings, *, frames: int, held_out: int, recipe: Mapping[str, Any] | None = None
) -> Project:
    """A project without weights whose frames (discs, 80 x 100 px, tasks 101, 102, ...) are all labelled."""
    container = build(settings)
    with container.database.write() as uow:
        project = uow.projects.add("Discs", ["vein"], {"recipe": dict(recipe or TINY.to_dict())})
        uow.projects.set_label_studio_id(project.id, LABEL_STUDIO_PROJECT)
        version = uow.models.add(
            project.id,
            digest="0" * 64,
            round_id=None,
            origin="none",
            config={"network": ""},
            metrics={},
            now=NOW,
        )
        uow.projects.set_champion(project.id, version.id)
        uow.models.record_service(project.id, version.id, NOW)
        uow.commit()
    for number in range(frames):
        _add_labelled(container, project, number, is_held_out=number < held_out)
    container.close()
    return project


def _add_labelled(container: Container, project: Project, number: int, *, is_held_out: bool) -> Frame:
    image, mask = draw_disc(number)
    digest, truth = frame_digest(image), mask_digest(mask)
    container.storage.put("frames", digest, encode_png(image))
    container.storage.put("masks", truth, pack(mask))
    with container.database.write() as uow:
        new = NewFrame(digest, image.shape[1], image.shape[0], f"clip{number}", None, is_held_out)
        (frame,) = uow.frames.add(project.id, [new], NOW)
        uow.frames.set_tasks({frame.id: 101 + number})
        _append_mask(uow.masks, frame, truth, number)
        uow.commit()
    return frame


def _append_mask(masks: Any, frame: Frame, digest: str, number: int) -> None:
    masks.append(
        frame_id=frame.id,
        annotation_id=501 + number,
        updated_at=NOW + timedelta(seconds=number),
        reader_id=None,
        decision=Decision.FROM_SCRATCH,
        mask_digest=digest,
        seconds=10.0,
        proposal_id=None,
        dice_to_proposal=None,
        is_simulated=True,
        now=NOW + timedelta(seconds=number),
    )


def label_studio_of(container: Container) -> FakeLabelStudio:
    """A Label Studio that holds all that `make_home` says its readers drew."""
    studio = FakeLabelStudio()
    studio.model_versions[LABEL_STUDIO_PROJECT] = ""
    with container.database.read() as uow:
        project = uow.projects.list()[0]
        frames = {frame.id: frame for frame in uow.frames.list(project.id)}
        masks = uow.masks.current(project.id)
    for mask in masks:
        frame = frames[mask.frame_id]
        drawn = unpack(container.storage.get("masks", str(mask.mask_digest)))
        result = mask_to_result(drawn, project.classes, container.codec, "reader")
        studio.hold(LABEL_STUDIO_PROJECT, frame.task_id or 0, frame.digest, mask, result)
    return studio


def parts_with(container: Container, studio: FakeLabelStudio) -> Parts:
    """For the checker of `tests.invariants`."""
    return Parts(
        container.database,
        container.storage,
        container.images,
        studio,
        container.codec,
        container.clock,
        served=studio.model_versions.__getitem__,
        root=container.settings.root,
    )
