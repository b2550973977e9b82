"""What the doctor says of a mirror that really differs from a real Label Studio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.bootstrap import Container, build
from cli.doctor import mirrored
from cli.doctor.findings import Finding, State
from cli.doctor.installation import Installation
from loop.mirror import bury_annotation
from tests.integration.doctor.readings import FRAMES, Reading, make_reading
from tests.services.homes import make_settings
from tests.services.label_studio import LabelStudioServer

pytestmark = pytest.mark.services


@pytest.fixture
def container(
    label_studio_server: LabelStudioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Container]:
    """A home without workers, where what was changed a moment ago counts as long past."""
    monkeypatch.setattr(mirrored, "FRESH", timedelta(0))
    monkeypatch.setattr(mirrored, "LEVEL_SECONDS", 0.0)
    token = label_studio_server.settings.label_studio_token
    settings = make_settings(tmp_path, label_studio_url=label_studio_server.url, label_studio_token=token)
    with closing(build(settings)) as container:
        yield container


@pytest.fixture
def reading(container: Container) -> Reading:
    return make_reading(container)


def look(reading: Reading) -> Finding:
    return mirrored.mirror(Installation(reading.container.settings), reading.project)


def differs(reading: Reading, *words: str) -> None:
    finding = look(reading)
    assert finding.state is State.FAIL, finding
    assert finding.got == f"of {words[0]} annotations in Label Studio: {', '.join(words[1:])}"
    assert "worker-light" in finding.todo.here


def test_a_level_mirror(reading: Reading) -> None:
    assert look(reading) == Finding(State.OK, "0 annotations there and here")
    reading.draw(0)
    reading.delete(reading.draw(1))
    reading.mirror()
    assert look(reading) == Finding(State.OK, "1 annotations there and here")


def test_as_many_annotations_that_are_others(reading: Reading) -> None:
    first, kept = reading.draw(0), reading.draw(2)
    reading.mirror()
    second = reading.draw(1)
    reading.delete(first)
    differs(reading, "2", f"1 missing here (number {second})", f"1 here but no longer there (number {first})")
    reading.mirror()
    assert look(reading).state is State.OK
    assert kept not in (first, second)


def test_the_same_annotations_of_which_one_was_redrawn(reading: Reading) -> None:
    reading.draw(0)
    redrawn = reading.draw(1)
    reading.mirror()
    reading.redraw(redrawn, disc=1)
    differs(reading, "2", f"1 older here (number {redrawn})")
    reading.mirror()
    assert look(reading).state is State.OK


def test_one_that_is_deleted_here_alone(reading: Reading) -> None:
    annotation = reading.draw(0)
    reading.mirror()
    bury_annotation(reading.container.ingest_ports, annotation)
    differs(reading, "1", f"1 older here (number {annotation})")


def test_many_are_counted_and_some_named(reading: Reading) -> None:
    made = [reading.draw(n % FRAMES, disc=n) for n in range(5)]
    named = ", ".join(map(str, made[:3]))
    differs(reading, "5", f"5 missing here (number {named} and 2 more)")


def test_what_cannot_be_read_is_none_of_them_until_it_is_changed_again(reading: Reading) -> None:
    damaged = reading.draw(0)
    reading.mirror()
    reading.damage(damaged)
    reading.mirror()
    assert look(reading).got == "1 annotations there and here, 1 of them set aside"
    with reading.container.database.write() as uow:  # as long ago as makes the next state another one
        (item,) = uow.marks.list_set_aside()
        ago = item.at - timedelta(minutes=1)
        uow.marks.set_aside(item.kind, item.subject, item.message, ago, task_id=item.task_id)
        uow.commit()
    reading.redraw(damaged, disc=1)
    differs(reading, "1", f"1 older here (number {damaged})")


def test_what_another_project_has_set_aside_excuses_nothing_here(container: Container) -> None:
    reading, other = make_reading(container), make_reading(container)
    other.damage(other.draw(0))
    other.mirror()
    missing = reading.draw(0)
    differs(reading, "1", f"1 missing here (number {missing})")
    assert look(other).got == "1 annotations there and here, 1 of them set aside"


def test_a_later_time_here_is_no_difference_unless_the_drawing_is_another(reading: Reading) -> None:
    """As after a clock of Label Studio's that was turned back, once with the mirror behind."""
    first, second = reading.draw(0), reading.draw(1)
    reading.mirror()
    for annotation in (first, second):
        reading.mirror_later(annotation, timedelta(hours=1))
    assert look(reading) == Finding(State.OK, "2 annotations there and here")
    reading.redraw(second, disc=1)
    differs(reading, "2", f"1 drawn otherwise here (number {second})")
    reading.mirror()
    assert look(reading).state is State.OK


def test_what_the_mirror_is_still_at_work_on_is_no_failure(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = reading.draw(0), reading.draw(1)
    reading.mirror()
    third = reading.draw(2)
    monkeypatch.setattr(mirrored, "FRESH", timedelta(hours=1))
    soon = look(reading)
    assert (soon.state, f"1 missing here (number {third})" in soon.got) == (State.WARN, True)
    reading.delete(first)
    differs(reading, "2", f"1 missing here (number {third})", f"1 here but no longer there (number {first})")
    reading.hear(first, timedelta(minutes=1))
    assert look(reading).state is State.WARN
    reading.container.label_studio_api.delete(f"/api/tasks/{reading.tasks[1]}/")
    assert look(reading).state is State.FAIL
    reading.hear(second, timedelta(hours=2), [reading.tasks[1]])
    assert look(reading).state is State.FAIL, "it has waited for too long"
    reading.hear(second, timedelta(minutes=1), [reading.tasks[1]])
    assert look(reading).state is State.WARN
    reading.mirror()
    assert look(reading).got == "1 annotations there and here"


def test_a_label_that_comes_meanwhile_is_waited_for(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrored, "LEVEL_SECONDS", 60.0)
    monkeypatch.setattr("cli.doctor.mirrored.time.sleep", lambda _: reading.mirror())
    reading.draw(0)
    assert look(reading).state is State.OK
