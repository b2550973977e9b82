"""Who guesses is slowed down; who knows the secret is not."""

from __future__ import annotations

import pytest

from adapters.throttle import ADDRESSES_KEPT, REFUSALS, SECONDS_PER_REFUSAL, Throttle, TooMany

GUESSER, LABEL_STUDIO = "10.0.0.66", "10.0.0.1"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def guess(throttle: Throttle, times: int, address: str = GUESSER) -> None:
    for _ in range(times):
        throttle.check(address)
        throttle.note_refusal(address)


def test_after_ten_wrong_calls_an_address_is_not_heard_for_a_while(throttle: Throttle, clock: Clock) -> None:
    guess(throttle, REFUSALS)
    with pytest.raises(TooMany) as refused:
        throttle.check(GUESSER)
    assert refused.value.seconds == SECONDS_PER_REFUSAL
    clock.now += SECONDS_PER_REFUSAL
    guess(throttle, 1)
    with pytest.raises(TooMany):
        throttle.check(GUESSER)


def test_a_minute_gives_all_ten_back_and_no_more(throttle: Throttle, clock: Clock) -> None:
    guess(throttle, REFUSALS)
    clock.now += 3600
    guess(throttle, REFUSALS)
    with pytest.raises(TooMany):
        throttle.check(GUESSER)


def test_one_address_does_not_pay_for_another(throttle: Throttle) -> None:
    guess(throttle, REFUSALS)
    throttle.check(LABEL_STUDIO)


def test_an_address_that_knew_the_secret_is_heard_in_spite_of_wrong_calls_beside_it(
    throttle: Throttle, clock: Clock
) -> None:
    throttle.trust(LABEL_STUDIO)
    guess(throttle, REFUSALS, LABEL_STUDIO)
    with pytest.raises(TooMany):
        throttle.note_refusal(LABEL_STUDIO)
    throttle.check(LABEL_STUDIO)
    clock.now += 3601
    guess(throttle, REFUSALS, LABEL_STUDIO)
    with pytest.raises(TooMany):
        throttle.check(LABEL_STUDIO)


def test_many_addresses_take_bounded_memory(throttle: Throttle) -> None:
    for number in range(ADDRESSES_KEPT + 500):
        guess(throttle, 1, f"2001:db8::{number:x}")
    assert len(throttle._buckets) == ADDRESSES_KEPT
