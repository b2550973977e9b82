"""Who may write to a round: the attempt that holds it, until it hands it back, is cancelled or loses its
lease.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.bootstrap import Container
from loop.errors import LeaseLost
from loop.planning import plan
from loop.rounds import cancel, claim, hand_back
from loop.sweep import sweep
from loop.training_records import Round, RoundState
from tests.fakes.clock import ManualClock
from tests.services.homes import make_home, make_settings
from worker.stopping import Interrupted
from worker.watch import Cancelled, TookTooLong, Watch, progress_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def container(tmp_path: Path, clock: ManualClock) -> Container:
    settings = make_settings(tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock")
    make_home(settings, frames=4, held_out=1)
    return Container(settings, clock)


@pytest.fixture
def planned(container: Container) -> Round:
    found = plan(container.round_ports, container.round_rules, 1, is_forced=True).round
    assert found is not None
    return found


def watch(container: Container, claimed: Round, *, limit: float = 100.0, is_ending: bool = False) -> Watch:
    return Watch(container.round_ports, container.round_rules, claimed, limit, lambda: is_ending)


def claimed_again(container: Container, planned: Round) -> Round:
    return claim(container.round_ports, container.round_rules, planned.id)


def read(container: Container, planned: Round) -> Round:
    with container.database.read() as uow:
        return uow.rounds.get(planned.id)


def test_progress_and_lease_are_kept_while_it_runs(
    container: Container, planned: Round, clock: ManualClock
) -> None:
    holder = watch(container, claimed_again(container, planned))
    clock.advance(4)
    holder.look([{"event": "epoch", "epoch": 1, "epochs": 3, "loss": 0.5, "dice": 0.7, "seconds": 2.0}])
    holder.beat()
    row = read(container, planned)
    assert row.progress == {"phase": "training", "epoch": 1, "epochs": 3, "loss": 0.5, "dice": 0.7}
    assert row.lease_until is not None
    assert (row.lease_until - clock.present).total_seconds() == pytest.approx(5, abs=0.1)


def test_an_attempt_whose_lease_went_to_another_is_stopped(
    container: Container, planned: Round, clock: ManualClock
) -> None:
    zombie = watch(container, claimed_again(container, planned))
    clock.advance(6)
    assert claimed_again(container, planned).attempt == 2
    with pytest.raises(LeaseLost):
        zombie.beat()


def test_every_reason_to_stop_is_told(container: Container, planned: Round) -> None:
    claimed = claimed_again(container, planned)
    with pytest.raises(Interrupted):
        watch(container, claimed, is_ending=True).look([])
    with pytest.raises(TookTooLong):
        watch(container, claimed, limit=-1).look([])
    cancel(container.round_ports, 1)
    with pytest.raises(Cancelled):
        watch(container, claimed).beat()


def test_a_round_handed_back_ever_so_often_is_not_given_up(container: Container, planned: Round) -> None:
    for _ in range(5):
        claimed = claimed_again(container, planned)
        watch(container, claimed).beat(phase="training")
        hand_back(container.round_ports, claimed)
        assert not sweep(container.round_ports, container.round_rules).ended
    assert claimed_again(container, planned).state.is_live


def test_a_round_whose_workers_are_lost_is_given_up_after_three(
    container: Container, planned: Round, clock: ManualClock
) -> None:
    for _ in range(3):
        claimed_again(container, planned)
        clock.advance(6)
    (ended,) = sweep(container.round_ports, container.round_rules).ended
    assert ended.state is RoundState.FAILED


def test_only_events_about_progress_change_it() -> None:
    assert progress_of({"event": "set-aside", "frame_id": 3}) == {}
    assert progress_of({"event": "epoch", "epoch": 3, "epochs": 3})["phase"] == "evaluating"
