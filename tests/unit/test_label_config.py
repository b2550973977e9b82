"""The labelling interface: whatever the class names, Label Studio reads back exactly these classes."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.label_studio.config import COLOURS, label_config
from loop.errors import BadRequest
from loop.regions import CONTROL, IMAGE

names = st.text(
    st.characters(
        codec="utf-8", categories=["L", "N", "P", "S", "Zs"], exclude_characters=" \u00a0\u1680\u3000"
    ),
    min_size=1,
    max_size=60,
).filter(lambda name: name.isprintable() and name == name.strip())


def read(classes: list[str]) -> Xml.Element:
    return Xml.fromstring(label_config(classes))  # noqa: S314 - our own text


@given(st.lists(names, min_size=1, max_size=15, unique_by=str.casefold))
def test_every_class_comes_back_from_the_xml_as_it_went_in_and_in_order(classes: list[str]) -> None:
    assert [label.get("value") for label in read(classes).iter("Label")] == classes


def test_the_brush_and_the_image_carry_the_names_that_regions_refer_to() -> None:
    view = read(["Vein"])
    image, brush = view.find("Image"), view.find("BrushLabels")
    assert image is not None
    assert brush is not None
    assert (image.get("name"), image.get("value")) == (IMAGE, f"${IMAGE}")
    assert (brush.get("name"), brush.get("toName")) == (CONTROL, IMAGE)


def test_quotes_and_brackets_of_a_class_cannot_add_anything_to_the_interface() -> None:
    evil = '"/><Choices name="x" toName="image"/>'
    assert [element.tag for element in read([evil]).iter()] == ["View", "Image", "BrushLabels", "Label"]


def test_the_first_ten_classes_have_a_colour_and_a_key_of_their_own() -> None:
    labels = list(read([f"class {n}" for n in range(12)]).iter("Label"))
    assert [label.get("hotkey") for label in labels] == [*"1234567890", None, None]
    assert len({label.get("background") for label in labels}) == len(COLOURS) == 10


def test_equal_lists_give_equal_text_so_that_a_changed_interface_can_be_told() -> None:
    assert label_config(["Vein", "Artery"]) == label_config(["Vein", "Artery"])
    assert label_config(["Vein", "Artery"]) != label_config(["Artery", "Vein"])


@pytest.mark.parametrize(
    "classes",
    [[], [""], [" Vein"], ["Vein\n"], ["Ve\x00in"], ["V" * 61], ["Vein", "vein"], ["Vein", "Vein"]],
    ids=["none", "empty", "leading blank", "newline", "control", "too long", "differing in case", "twice"],
)
def test_a_class_list_that_readers_could_not_tell_apart_is_refused(classes: list[str]) -> None:
    with pytest.raises(BadRequest):
        label_config(classes)
