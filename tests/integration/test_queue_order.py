"""The canary of the whole method: what Label Studio serves next is what we ranked first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest

from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.provision import ensure_project
from adapters.label_studio.session import ReaderSession
from loop.remote import NewPrediction
from tests.services.label_studio import LabelStudioServer, project_plan

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def readers(label_studio_server: LabelStudioServer) -> Iterator[list[ReaderSession]]:
    with ExitStack() as stack:
        emails = ("first@queue.org", "second@queue.org")
        yield [stack.enter_context(label_studio_server.reader(email)) for email in emails]


@pytest.fixture
def project(api: Api) -> int:
    return ensure_project(api, project_plan("Queue"))


def rank(api: Api, project: int, version: str, ranked: Sequence[int]) -> None:
    """Push the places of one Selection, the first of `ranked` on top."""
    places = [NewPrediction(task, version, rank / len(ranked), []) for rank, task in enumerate(ranked)]
    LabelStudioClient(api).push_predictions(project, places)


def import_frames(api: Api, project: int, count: int) -> list[int]:
    data = [{"image": f"/data/local-files/?d=all/{n}.png", "frame": f"{n:064x}"} for n in range(count)]
    return LabelStudioClient(api).import_tasks(project, data)


def next_id(reader: ReaderSession, project: int) -> int:
    task = reader.next_task(project)
    assert task is not None
    return task.id


def shuffled(tasks: Sequence[int]) -> list[int]:
    """An order that agrees neither with the ids nor with their reverse."""
    return sorted(tasks, key=lambda task: task * 7919 % 31)


def test_the_whole_queue_is_served_in_the_order_of_our_ranks(
    api: Api, project: int, readers: list[ReaderSession]
) -> None:
    ranked = shuffled(import_frames(api, project, 12))
    rank(api, project, "p1-v0", ranked)
    served = []
    for _ in ranked:
        served.append(next_id(readers[0], project))
        readers[0].submit(served[-1], [], 1.0, None)
    assert served == ranked


def test_two_readers_who_ask_at_once_share_the_two_top_ranks(
    api: Api, project: int, readers: list[ReaderSession]
) -> None:
    ranked = shuffled(import_frames(api, project, 8))
    rank(api, project, "p1-v0", ranked)
    rank(api, project, "p1-v00", ranked[::-1])  # another version must not disturb
    assert [next_id(reader, project) for reader in readers] == ranked[:2]


def test_readers_who_ask_in_the_same_instant_get_different_tasks(
    api: Api, project: int, readers: list[ReaderSession]
) -> None:
    ranked = shuffled(import_frames(api, project, 12))
    rank(api, project, "p1-v0", ranked)
    for turn in range(6):
        start = Barrier(len(readers))

        def ask(reader: ReaderSession, start: Barrier = start) -> int:
            start.wait()
            return next_id(reader, project)

        with ThreadPoolExecutor() as pool:
            served = list(pool.map(ask, readers))
        assert sorted(served) == sorted(ranked[2 * turn : 2 * turn + 2])
        for reader, task in zip(readers, served, strict=True):
            reader.submit(task, [], 1.0, None)


def test_readers_working_side_by_side_stay_on_top_of_the_queue(
    api: Api, project: int, readers: list[ReaderSession]
) -> None:
    ranked = shuffled(import_frames(api, project, 16))
    rank(api, project, "p1-v0", ranked)

    def work(reader: ReaderSession) -> list[int]:
        served = []
        for _ in range(4):
            served.append(next_id(reader, project))
            reader.submit(served[-1], [], 1.0, None)
        return served

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(work, readers)
    assert sorted(first + second) == sorted(ranked[:8])
    assert [sorted(each, key=ranked.index) for each in (first, second)] == [first, second]


def test_a_new_version_reorders_the_queue_from_the_very_next_task_on(
    api: Api, project: int, readers: list[ReaderSession]
) -> None:
    ranked = shuffled(import_frames(api, project, 6))
    rank(api, project, "p1-v0", ranked)
    rank(api, project, "p1-v1", ranked[::-1])
    held = next_id(readers[0], project)
    readers[0].submit(held, [], 1.0, None)
    LabelStudioClient(api).set_model_version(project, "p1-v1")
    assert [held, next_id(readers[0], project)] == [ranked[0], ranked[-1]]


def test_a_task_in_a_readers_hands_stays_there_when_the_queue_is_reordered(
    api: Api, project: int, readers: list[ReaderSession]
) -> None:
    ranked = shuffled(import_frames(api, project, 6))
    rank(api, project, "p1-v0", ranked)
    held = next_id(readers[0], project)
    rank(api, project, "p1-v1", ranked[::-1])
    LabelStudioClient(api).set_model_version(project, "p1-v1")
    assert next_id(readers[0], project) == held == ranked[0]
    assert next_id(readers[1], project) == ranked[-1]


def test_moved_places_within_a_version_reorder_the_queue_too(
    api: Api, project: int, readers: list[ReaderSession]
) -> None:
    studio = LabelStudioClient(api)
    ranked = shuffled(import_frames(api, project, 4))
    rank(api, project, "p1-v0", ranked)
    last = next(each for each in studio.predictions(project, "p1-v0") if each.task_id == ranked[-1])
    studio.set_score(last.id, -0.5)
    assert next_id(readers[0], project) == ranked[-1]
