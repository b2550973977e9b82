"""When weights of one class cannot tell which of a project's classes theirs is."""

from __future__ import annotations

import pytest

from loop.class_names import is_undecided


@pytest.mark.parametrize(
    ("known", "classes", "prior", "expected"),
    [
        (["vessel"], ["Vein", "Artery"], None, True),
        (["vessel"], ["Vein", "Artery"], "", True),
        (["vessel"], ["Vein", "Artery"], "Artery", False),
        (["artery"], ["Vein", "Artery"], None, False),
        (["vessel"], ["Vein"], None, False),
        (["Vein", "Nerve"], ["Vein", "Artery"], None, False),
        ([], ["Vein", "Artery"], None, False),
    ],
)
def test_only_a_single_class_without_namesake_or_choice_is_undecided_among_several(
    known: list[str], classes: list[str], prior: str | None, expected: bool
) -> None:
    assert is_undecided(known, classes, prior) is expected
