"""What makes trainings comparable: the split, the protocol, and its file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import BadRequest
from loop.training_records import Split
from tests.judged import PLAN, compared, some_protocol
from trainer.comparison.protocol import (
    Plan,
    Protocol,
    check_protocol,
    choose_held_out,
    differences,
    read_protocol,
    write_protocol,
)

names = st.lists(st.text("abc0123456789", min_size=1, max_size=6), min_size=2, max_size=40, unique=True)


@given(names, st.integers(0, 99))
def test_a_split_holds_out_two_fifths_of_the_clips_whatever_their_order(groups: list[str], seed: int) -> None:
    held_out = choose_held_out(groups, seed)
    assert choose_held_out(groups[::-1], seed) == held_out
    assert set(held_out) < set(groups)
    assert len(held_out) == min(len(groups) - 1, max(1, round(0.4 * len(groups))))


def test_no_clip_teaches_and_tests_and_every_frame_does_one_of_both() -> None:
    protocol = some_protocol(clips=10, frames_per_clip=3)
    train, test = (protocol.of_split(split) for split in (Split.TRAIN, Split.HELD_OUT))
    assert not {each.group for _, each in train} & {each.group for _, each in test}
    assert sorted(number for number, _ in (*train, *test)) == list(range(30))
    assert len({each.group for _, each in test}) == 4


def test_another_split_seed_holds_out_others() -> None:
    protocol = some_protocol()
    assert protocol.held_out != replace(protocol, split_seed=1).held_out


def test_one_clip_and_empty_masks_cannot_be_compared() -> None:
    with pytest.raises(BadRequest, match="frames of 1 clip"):
        check_protocol(some_protocol(clips=1))
    bare = replace(some_protocol(), frames=tuple(compared(n, f"clip{n}", False) for n in range(6)))
    with pytest.raises(BadRequest, match="none with vessel in it"):
        check_protocol(bare)


def test_a_plan_names_each_network_once() -> None:
    for wrong in ((), ("a", "a")):
        with pytest.raises(BadRequest):
            Plan(wrong, 1)


def test_a_protocol_survives_its_file_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    protocol, path = some_protocol(), tmp_path / "protocol.json"
    write_protocol(path, protocol, PLAN)
    assert read_protocol(path) == (protocol, PLAN)
    content = json.loads(path.read_text())
    assert content["split"]["held-out"] == sorted(protocol.held_out)
    content["split_seed"] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(BadRequest, match="changed by hand"):
        read_protocol(path)


def test_differences_name_what_changed() -> None:
    there = some_protocol()
    asked = replace(there, recipe=replace(there.recipe, size=256), base="imagenet", frames=there.frames[:-2])
    found = "; ".join(differences(there, asked))
    assert "size 512 there, 256 asked" in found
    assert "base scratch there, imagenet asked" in found
    assert "20 frames there, 18 asked, 18 of them the same" in found
    assert differences(there, there) == []


def test_protocols_of_other_classes_have_other_digests() -> None:
    protocol = some_protocol()
    others: list[Protocol] = [
        replace(protocol, classes=("vein",)),
        replace(protocol, recipe=replace(protocol.recipe, epochs=9)),
        replace(protocol, frames=protocol.frames[1:]),
    ]
    assert len({each.digest for each in (protocol, *others)}) == 4
