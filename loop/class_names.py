"""Whether the class of one-class weights is one of a project's classes: the rule that proposals hang on."""

from __future__ import annotations

from collections.abc import Sequence


def is_undecided(known: Sequence[str], classes: Sequence[str], prior_class: str | None = None) -> bool:
    """Whether weights of one class cannot tell which of a project's several classes theirs is.

    Nobody chose one for them by `prior_class`, and none has their name, in whatever case. Weights of several
    classes, and a project of one, are always decided.
    """
    if prior_class or len(known) != 1 or len(classes) < 2:
        return False
    return known[0].lower() not in {name.lower() for name in classes}
