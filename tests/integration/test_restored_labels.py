"""Labels and whole tasks that somebody deleted in a real Label Studio come back by one command."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from adapters.bootstrap import Container, build
from adapters.environment import load_settings
from adapters.formats.pixels import encode_png
from adapters.label_studio.provision import ensure_project
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import remove_account
from adapters.services.secrets import ensure_secrets
from cli.app import app
from loop.frames import frame_digest
from loop.ingest import reconcile
from loop.intake import IntakePorts, SplitRule, add_frames
from loop.masks import Mask, mask_digest, pack
from loop.records import Decision, Frame, MaskVersion, NewFrame, Project, Purpose
from loop.regions import mask_to_result
from loop.remote import NewPrediction
from loop.serving import note_served
from tests.discs import draw_disc
from tests.fakes.queue import FakeQueue
from tests.invariants import check, export_digests, parts_of, settle
from tests.services.label_studio import TOKEN, LabelStudioServer, project_plan

pytestmark = [
    pytest.mark.services,
    # pycocotools' decoder says so of itself; nothing of ours can change it
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
FRAMES, WEIGHTS = 9, hashlib.sha256(b"weights").hexdigest()


@dataclass
class Ward:
    """A project in a real Label Studio that two readers have labelled, with a home of its own."""

    home: Path
    container: Container
    project: Project
    truth: dict[str, Mask] = field(default_factory=dict)

    def frames(self) -> list[Frame]:
        with self.container.database.read() as uow:
            return uow.frames.list(self.project.id)

    def current(self) -> list[MaskVersion]:
        with self.container.database.read() as uow:
            return uow.masks.current(self.project.id)

    def latest(self) -> dict[int, MaskVersion]:
        with self.container.database.read() as uow:
            found = uow.masks.latest_of_all(self.project.id)
        return {each.frame_id: each for each in found if each.decision is not Decision.DELETED}

    def standing(self) -> dict[int, tuple[object, ...]]:
        return {
            frame_id: (
                each.mask_digest,
                each.decision,
                each.reader_id,
                each.seconds,
                each.proposal_id,
                each.dice_to_proposal,
            )
            for frame_id, each in self.latest().items()
        }

    def exported(self) -> dict[str, str]:
        return export_digests(parts_of(self.container), self.project.id)

    def follow(self) -> None:
        reconcile(self.container.ingest_ports, self.project.id)

    def say(self, *words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--home", str(self.home)], env={"COLUMNS": "200"})
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture
def ward(
    label_studio_server: LabelStudioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ward]:
    monkeypatch.setenv("SONOLOOP_LABEL_STUDIO_URL", label_studio_server.url)
    monkeypatch.setenv("SONOLOOP_LABEL_STUDIO_TOKEN", TOKEN)
    home = tmp_path / "home"
    ensure_secrets(home)
    with closing(build(load_settings(home))) as container:
        made = Ward(home, container, make_project(container))
        take_in_discs(made)
        propose(made)
        with (
            label_studio_server.reader("ann@ward.org") as ann,
            label_studio_server.reader("bob@ward.org") as bob,
        ):
            label(made, ann, bob)
        made.follow()
        yield made


def make_project(container: Container) -> Project:
    remote = ensure_project(container.label_studio_api, project_plan("Ward"))
    with container.database.write() as uow:
        project = uow.projects.add("Ward", ["Vein"], {})
        uow.projects.set_label_studio_id(project.id, remote)
        uow.commit()
    with container.database.read() as uow:
        return uow.projects.get(project.id)


def take_in_discs(ward: Ward) -> None:
    new = []
    for number in range(FRAMES):
        image, mask = draw_disc(number)
        digest = frame_digest(image)
        ward.container.storage.put("frames", digest, encode_png(image))
        ward.truth[digest] = mask
        new.append(NewFrame(digest, image.shape[1], image.shape[0], f"clip{number}", None, number == 0))
    container = ward.container
    ports = IntakePorts(container.database, container.label_studio, FakeQueue(), container.clock)
    add_frames(ports, SplitRule(0.0), ward.project.id, new)


def drawn(ward: Ward, mask: Mask, key: str) -> list[dict[str, object]]:
    return mask_to_result(mask, ward.project.classes, ward.container.codec, key)


def propose(ward: Ward) -> None:
    """A model version has drawn every frame, and has served for a day."""
    container, now = ward.container, ward.container.clock()
    remote, row_of = ward.project.label_studio_id or 0, {}
    container.storage.put("models", WEIGHTS, b"weights")
    with container.database.write() as uow:
        version = uow.models.add(
            ward.project.id,
            digest=WEIGHTS,
            round_id=None,
            origin="phantoms",
            config={},
            metrics={},
            now=now,
        )
        uow.projects.set_champion(ward.project.id, version.id)
        uow.models.record_service(ward.project.id, version.id, now - timedelta(days=1))
        note_served(uow, ward.project.id, version.id, now - timedelta(days=1))
        for frame in ward.frames():
            mask = ward.truth[frame.digest]
            container.storage.put("masks", mask_digest(mask), pack(mask))
            row = uow.predictions.put(
                frame.id,
                version.id,
                purpose=Purpose.PROPOSAL,
                mask_digest=mask_digest(mask),
                uncertainty=0.5,
                place=0.0,
            )
            row_of[frame.task_id] = row.id
        uow.commit()
    pushed = [
        NewPrediction(frame.task_id or 0, version.name, 0.0, drawn(ward, ward.truth[frame.digest], "v1"))
        for frame in ward.frames()
    ]
    container.label_studio.push_predictions(remote, pushed)
    container.label_studio.set_model_version(remote, version.name)
    with container.database.write() as uow:
        found = container.label_studio.predictions(remote, version.name)
        uow.predictions.set_remote({row_of[each.task_id]: each.id for each in found})
        uow.commit()


def label(ward: Ward, ann: ReaderSession, bob: ReaderSession) -> None:
    """Accepted, corrected, found empty and skipped, with a hole and many blobs among what was drawn."""
    speckled = np.random.default_rng(0).random((1, 80, 100)) < 0.01
    for number, frame in enumerate(ward.frames()):
        task, mask = frame.task_id or 0, ward.truth[frame.digest]
        with ward.container.database.read() as uow:
            version = uow.projects.get(ward.project.id).champion_id or 0
            proposal = uow.predictions.find(frame.id, version)
        shown = proposal.remote_id if proposal else None
        reader = (ann, bob)[number % 2]
        if number == 3:
            reader.skip(task, [], 2.0, shown)
            continue
        changed = {1: mask & False, 2: mask ^ np.roll(mask, 4, axis=1), 4: mask | speckled}.get(number, mask)
        reader.submit(task, drawn(ward, changed, "reader"), 5.0 + number, shown)


def delete_everything(ward: Ward, label_studio_server: LabelStudioServer) -> None:
    """As a reader may: of every second frame the whole task, of the others what was drawn."""
    with label_studio_server.reader("ann@ward.org") as ann:
        for number, frame in enumerate(ward.frames()):
            if number % 2:
                ann._api.delete(f"/api/tasks/{frame.task_id}/")
            else:
                ann.delete(ward.latest()[frame.id].annotation_id)


def test_all_that_a_reader_deleted_is_back_by_one_command(
    ward: Ward, label_studio_server: LabelStudioServer
) -> None:
    before, exported = ward.standing(), ward.exported()
    numbers = {each.annotation_id for each in ward.latest().values()}
    assert {each[1] for each in before.values()} == {
        Decision.ACCEPTED,
        Decision.FIXED,
        Decision.NO_VEIN,
        Decision.SKIPPED,
    }
    delete_everything(ward, label_studio_server)
    ward.follow()
    assert ward.standing() == {}
    listed = ward.say("label", "deleted")
    assert f"deleted labels: {FRAMES}" in listed
    assert "reader-1" in listed
    assert "reader-2" in listed
    said = ward.say("label", "restore", "--all")
    assert f"labels: {FRAMES} brought back" in said
    assert f"tasks made again: {FRAMES // 2}" in said
    assert ward.standing() == before
    assert ward.exported() == exported
    anew = {each.annotation_id for each in ward.latest().values()}
    assert not anew & numbers, "a number that is used again would hide the tombstone of another label"
    assert "labels: 0 to bring back" in ward.say("label", "restore", "--all")
    assert "no label is missing" in ward.say("label", "deleted")
    parts = parts_of(ward.container)
    settle(parts, ward.project.id)
    check(parts, ward.project.id)


def test_the_command_follows_what_no_webhook_told_of_and_wants_to_know_which(
    ward: Ward, label_studio_server: LabelStudioServer
) -> None:
    before = ward.standing()
    delete_everything(ward, label_studio_server)
    silent = CliRunner().invoke(app, ["label", "restore", "--home", str(ward.home)])
    assert (silent.exit_code, "--since TIME, --task NUMBER or --all" in silent.output) == (1, True)
    (first, *_) = ward.frames()
    assert "labels: 1 brought back" in ward.say("label", "restore", "--task", str(first.task_id))
    assert ward.standing() == {first.id: before[first.id]}
    assert "0 to bring back" in ward.say("label", "restore", "--since", "2100-01-01")
    assert f"labels: {FRAMES - 1} brought back" in ward.say("label", "restore", "--since", "2020-01-01")
    assert ward.standing() == before


def test_labels_of_an_account_that_is_gone_come_back_once_and_over_no_later_skip(
    ward: Ward, label_studio_server: LabelStudioServer
) -> None:
    skipped, *others = ward.frames()
    before, latest = ward.standing(), ward.latest()
    with label_studio_server.reader("ann@ward.org") as ann, label_studio_server.reader("bob@ward.org") as bob:
        for frame in ward.frames():
            ann.delete(latest[frame.id].annotation_id)
        ann.skip(skipped.task_id or 0, [], 2.0, None)
        remove_account(ward.container.label_studio_api, bob.user_id)
    said = ward.say("label", "restore", "--all")
    assert f"labels: {len(others)} brought back" in said
    assert f"under the first account: {FRAMES // 2}" in said
    after = ward.standing()
    assert after[skipped.id][1] is Decision.SKIPPED
    for frame in others:
        (mask, decision, _, *seconds_and_proposal) = before[frame.id]
        (mask_now, decision_now, _, *seconds_and_proposal_now) = after[frame.id]
        assert (mask_now, decision_now) == (mask, decision)
        assert seconds_and_proposal_now == seconds_and_proposal
    keys = [ward.container.label_studio.get_annotation(each.annotation_id) for each in ward.latest().values()]
    assert sum(each.parent_prediction is None for each in keys) == 1, "that of the skip"
    assert "no label is missing" in ward.say("label", "deleted")
    assert "labels: 0 to bring back" in ward.say("label", "restore", "--all")
