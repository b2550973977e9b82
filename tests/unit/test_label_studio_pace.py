"""Long calls to Label Studio leave room for readers: pauses in proportion to how long the calls took."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.pace import LONGEST_PAUSE, Pace
from loop.remote import NewPrediction

CALL_SECONDS = 2.0


class Time:
    """Goes on with what is done in it alone: calls, work between them, and pauses."""

    def __init__(self) -> None:
        self.present = 0.0
        self.paused = 0.0

    def now(self) -> float:
        return self.present

    def sleep(self, seconds: float) -> None:
        self.present += seconds
        self.paused += seconds

    def pace(self, share: float) -> Pace:
        return Pace(share, now=self.now, sleep=self.sleep)


def call(time: Time, pace: Pace, seconds: float) -> None:
    with pace.turn():
        time.present += seconds


@pytest.mark.parametrize(("share", "pause"), [(0.5, 2.0), (0.8, 0.5), (1.0, 0.0), (0.001, LONGEST_PAUSE)])
def test_the_pause_makes_the_share_true_and_has_an_end(share: float, pause: float) -> None:
    time = Time()
    pace = time.pace(share)
    call(time, pace, CALL_SECONDS)
    assert time.paused == 0
    call(time, pace, CALL_SECONDS)
    assert time.paused == pytest.approx(pause)


def test_what_is_computed_between_two_calls_is_part_of_the_pause() -> None:
    time = Time()
    pace = time.pace(0.5)
    call(time, pace, CALL_SECONDS)
    time.present += 1.5
    call(time, pace, CALL_SECONDS)
    assert time.paused == pytest.approx(0.5)


def test_a_call_that_fails_took_its_time_all_the_same() -> None:
    time = Time()
    pace = time.pace(0.5)
    with suppress(ValueError), pace.turn():
        time.present += CALL_SECONDS
        raise ValueError
    call(time, pace, CALL_SECONDS)
    assert time.paused == pytest.approx(CALL_SECONDS)


@given(
    st.floats(0.2, 1.0),
    st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 3.0)), min_size=2),
)
def test_label_studio_is_never_busy_with_us_for_more_than_its_share(
    share: float, steps: list[tuple[float, float]]
) -> None:
    time, busy = Time(), 0.0
    pace = time.pace(share)
    for seconds, work in steps:
        call(time, pace, seconds)
        busy += seconds
        time.present += work
    call(time, pace, 0.0)  # it begins at the end of the last pause
    assert busy <= share * time.present * (1 + 1e-9)


def test_two_threads_take_turns() -> None:
    pace, entered, order = Pace(1.0), threading.Event(), list[str]()

    def second() -> None:
        entered.wait()
        with pace.turn():
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with pace.turn():
        entered.set()
        other.join(0.2)  # it has every chance to come in between
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def paced(work: Callable[[LabelStudioClient], object], answer: object) -> float:
    """The seconds of pause that come from doing `work` twice, each call taking two seconds."""
    time = Time()

    def handle(_: httpx.Request) -> httpx.Response:
        time.present += CALL_SECONDS
        return httpx.Response(200, json=answer)

    api = Api("http://studio.test", "token", transport=httpx.MockTransport(handle))
    client = LabelStudioClient(api, time.pace(0.5))
    for _ in range(2):
        work(client)
    return time.paused


NO_ROWS = {"rows": [], "page": 5000}


@pytest.mark.parametrize(
    ("work", "answer"),
    [
        (lambda client: client.push_predictions(1, [NewPrediction(1, "v1", 0.5, [])]), {"created": 1}),
        (lambda client: client.import_tasks(1, [{}]), {"task_ids": [1]}),
        (lambda client: client.predictions(1, "v1"), NO_ROWS),
        (lambda client: client.task_ids(1), NO_ROWS),
        (lambda client: list(client.tasks_changed_since(1, None)), NO_ROWS),
        (lambda client: client.set_score(1, 0.5), {}),
    ],
    ids=["push", "import", "predictions", "task ids", "look", "place"],
)
def test_whatever_comes_in_bulk_keeps_the_pace(
    work: Callable[[LabelStudioClient], object], answer: object
) -> None:
    assert paced(work, answer) == pytest.approx(CALL_SECONDS)


def test_what_a_single_label_needs_does_not_wait() -> None:
    task = {"id": 1, "data": {}, "updated_at": "2026-01-05T08:00:00Z", "annotations": []}
    assert paced(lambda client: client.get_task(1), task) == 0
    assert paced(lambda client: client.set_model_version(1, "v1"), {}) == 0
