from __future__ import annotations

from pathlib import Path

import pytest

from cli.tail import Tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "service.log"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_the_last_lines_come_first_and_then_only_new_ones(log: Path) -> None:
    append(log, "one\ntwo\nthree\n")
    tail = Tail(log)
    assert tail.last(2) == ["two", "three"]
    assert tail.fresh() == []
    append(log, "four\n")
    assert tail.fresh() == ["four"]


def test_a_half_line_waits_for_its_end(log: Path) -> None:
    append(log, "one\ntw")
    tail = Tail(log)
    assert tail.last(5) == ["one"]
    append(log, "o\n")
    assert tail.fresh() == ["two"]


def test_a_log_that_appears_later_is_read_from_its_beginning(log: Path) -> None:
    tail = Tail(log)
    assert tail.last(5) == []
    append(log, "one\n")
    assert tail.fresh() == ["one"]


def test_a_rotated_log_loses_no_line_even_when_the_new_one_is_longer(log: Path) -> None:
    append(log, "one\n")
    tail = Tail(log)
    tail.last(5)
    append(log, "two\n")
    log.rename(log.with_suffix(".log.1"))
    append(log, "three, which is longer than all that stood in the old file\n")
    assert tail.fresh() == ["two", "three, which is longer than all that stood in the old file"]


def test_a_line_cut_by_a_rotation_is_put_together(log: Path) -> None:
    append(log, "half a ")
    tail = Tail(log)
    tail.last(5)
    log.rename(log.with_suffix(".log.1"))
    append(log, "line\n")
    assert tail.fresh() == ["half a line"]


def test_between_the_two_steps_of_a_rotation_nothing_is_lost(log: Path) -> None:
    append(log, "one\n")
    tail = Tail(log)
    tail.last(5)
    log.rename(log.with_suffix(".log.1"))
    assert tail.fresh() == []
    append(log, "two\n")
    assert tail.fresh() == ["two"]


def test_a_log_emptied_in_place_is_read_from_its_beginning(log: Path) -> None:
    append(log, "one\ntwo\n")
    tail = Tail(log)
    tail.last(5)
    log.write_text("new\n")
    assert tail.fresh() == ["new"]


def test_bytes_that_are_no_text_are_shown_and_stop_nothing(log: Path) -> None:
    log.write_bytes(b"\xff\xfe\nfine\n")
    assert Tail(log).last(5) == ["��", "fine"]
