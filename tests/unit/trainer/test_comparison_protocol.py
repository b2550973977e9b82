"""What makes trainings comparable: the split, the protocol, and its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import BadRequest
from loop.training_records import Split
from tests.judged import PLAN, compared, some_protocol, some_report
from trainer.comparison.conduct import Comparison
from trainer.comparison.cost import Cost
from trainer.comparison.folder import open_folder
from trainer.comparison.protocol import (
    Plan,
    Protocol,
    check_protocol,
    choose_held_out,
    differences,
    one_sided,
    read_protocol,
    write_protocol,
)
from trainer.comparison.report import caption
from trainer.comparison.runs import Action
from trainer.preparation import Preparation
from trainer.recipes import Recipe


@dataclass(frozen=True)
class NewerPreparation(Preparation):
    bent: bool = False


@dataclass(frozen=True)
class NewerRecipe(Recipe):
    """A recipe as a newer version may have it: fields that did not exist, with what stands for before."""

    twist: float = 0.0


def newer(recipe: Recipe, twist: float = 0.0, bent: bool = False) -> NewerRecipe:
    values = {each.name: getattr(recipe, each.name) for each in fields(recipe)}
    preparation = NewerPreparation(bent=bent, **asdict(recipe.preparation))
    return NewerRecipe(**(values | {"preparation": preparation}), twist=twist)


def write_as_before(path: Path, protocol: Protocol, missing: str) -> str:
    """Write a protocol as 0.1.0 once did, its recipe without a field; give its digest: of all fields."""
    values = json.loads(json.dumps(asdict(protocol)))
    values["recipe"].pop(missing, None)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({"plan": asdict(PLAN), **values, "split": {}, "digest": digest}))
    return digest


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


def two_classes(second: Callable[[str], bool]) -> Protocol:
    """A protocol of vein and nerve, the second on the frames of some clips alone."""
    one = some_protocol()
    frames = tuple(replace(each, classes=(True, second(each.group))) for each in one.frames)
    return replace(one, classes=("vein", "nerve"), frames=frames)


def test_a_class_that_no_frame_shows_is_refused_by_its_name() -> None:
    with pytest.raises(BadRequest, match=r"20 masks, none with nerve in it; .*leave it out"):
        check_protocol(two_classes(lambda group: False))


def test_a_class_that_one_side_of_the_split_lacks_is_told_there_and_in_the_words_below_the_table() -> None:
    held_out = some_protocol().held_out
    taught = two_classes(lambda group: group not in held_out)
    tested = two_classes(lambda group: group in held_out)
    for protocol in (taught, tested):
        check_protocol(protocol)
    assert one_sided(taught) == ["No frame that tested shows nerve: figures of it count false alarms alone."]
    assert one_sided(tested) == ["No frame that taught shows nerve: no network could learn it."]
    assert one_sided(two_classes(lambda group: True)) == []
    assert one_sided(tested)[0] in caption(replace(some_report(("fcn8s",)), protocol=tested))


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


@pytest.mark.parametrize("path", [("recipe", "momentum"), ("recipe", "preparation", "crop"), ("base",)])
def test_a_changed_default_is_refused_too(tmp_path: Path, path: tuple[str, ...]) -> None:
    write_protocol(tmp_path / "protocol.json", some_protocol(), PLAN)
    content = json.loads((tmp_path / "protocol.json").read_text())
    *to, last = path
    part = content
    for name in to:
        part = part[name]
    part[last] = {"momentum": 0.5, "crop": "borders", "base": "imagenet"}[last]
    (tmp_path / "protocol.json").write_text(json.dumps(content))
    with pytest.raises(BadRequest, match="changed by hand, or written by another version"):
        read_protocol(tmp_path / "protocol.json")


def test_what_a_newer_version_wrote_is_refused_with_that_reason(tmp_path: Path) -> None:
    write_protocol(tmp_path / "protocol.json", some_protocol(), PLAN)
    content = json.loads((tmp_path / "protocol.json").read_text())
    content["recipe"]["twist"] = 0.0
    (tmp_path / "protocol.json").write_text(json.dumps(content))
    with pytest.raises(BadRequest, match=r"another version.*go on with the version that wrote it"):
        read_protocol(tmp_path / "protocol.json")


def test_a_field_that_a_newer_version_has_leaves_the_digest_as_it_was() -> None:
    protocol = some_protocol()
    assert replace(protocol, recipe=newer(protocol.recipe)).digest == protocol.digest
    assert replace(protocol, recipe=newer(protocol.recipe, twist=1.0)).digest != protocol.digest
    assert replace(protocol, recipe=newer(protocol.recipe, bent=True)).digest != protocol.digest


def test_protocols_between_which_nothing_differs_have_one_digest() -> None:
    """Else what was trained under the one would be trained again under the other."""
    one = some_protocol()
    settings = Preparation(clahe_clip=2.0, box=(0.0, 0.0, 1.0, 0.5))
    whole = Preparation(clahe_clip=2, box=(0, 0, 1, 0.5))
    for mine, yours in (
        ({"learning_rate": 1.0}, {"learning_rate": 1}),
        ({"preparation": settings}, {"preparation": whole}),
        ({"network": "fcn8s"}, {"network": "unet"}),
    ):
        there, asked = (replace(one, recipe=replace(one.recipe, **each)) for each in (mine, yours))
        assert differences(there, asked) == []
        assert there.digest == asked.digest


@pytest.mark.parametrize("missing", ["", "average", "smallest"])
def test_a_folder_that_an_older_version_made_goes_on_with_its_results(tmp_path: Path, missing: str) -> None:
    protocol = some_protocol()
    older = write_as_before(tmp_path / "protocol.json", protocol, missing)
    costs = dict.fromkeys(PLAN.networks, Cost(1, 1.0))
    for _ in range(2):  # the first start writes the file anew
        with open_folder(tmp_path, protocol, PLAN) as folder:
            run = folder.run(PLAN.networks[0], 0)
            run.mkdir(parents=True, exist_ok=True)
            (run / "result.json").write_text(json.dumps({"protocol": older}))
            actions = list(Comparison(folder, protocol, PLAN, costs, 1).actions().values())
            assert actions == [Action.NOTHING, *[Action.TRAIN] * 3]
    content = json.loads((tmp_path / "protocol.json").read_text())
    assert (content["digest"], content["earlier"]) == (protocol.digest, [older])


def test_a_folder_that_an_older_version_made_is_refused_once_changed_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "protocol.json"
    write_as_before(path, some_protocol(), "average")
    content = json.loads(path.read_text())
    content["recipe"]["epochs"] = 3
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
    cropped = replace(there, recipe=replace(there.recipe, preparation=Preparation(crop="borders")))
    assert differences(there, cropped) == ["crop none there, borders asked"]


def test_protocols_of_other_classes_have_other_digests() -> None:
    protocol = some_protocol()
    others: list[Protocol] = [
        replace(protocol, classes=("vein",)),
        replace(protocol, recipe=replace(protocol.recipe, epochs=9)),
        replace(protocol, frames=protocol.frames[1:]),
    ]
    assert len({each.digest for each in (protocol, *others)}) == 4
