"""Which channel of weights stands for which class of a project: one rule for making, training and serving."""

from __future__ import annotations

from collections.abc import Sequence

from loop.errors import BadWeights

LONGEST_LIST = 120


def channel_sources(
    known: Sequence[str], classes: Sequence[str], prior_class: str | None = None
) -> list[int | None]:
    """Say for each class of a project which channel of weights made for `known` stands for it; None: no
    channel.

    Several channels are matched by name, in whatever case where only one name on either side can be meant. A
    single one stands for `prior_class`, by default the class of the same name in whatever case, else the
    first: a vessel network serves a project whatever its classes are called. (What it draws is not
    proposed as the first of several; see `loop.serving.proposes_nothing`.)
    """
    if len(known) > 1:
        return [_find(name, known, classes) for name in classes]
    prior = prior_class or next((name for name in classes if name.lower() == known[0].lower()), classes[0])
    return [0 if name == prior else None for name in classes]


def require_sources(
    known: Sequence[str], classes: Sequence[str], prior_class: str | None = None
) -> list[int | None]:
    """As `channel_sources`. Raises BadWeights where no channel stands for any class."""
    sources = channel_sources(known, classes, prior_class)
    if all(source is None for source in sources):
        got, need = f"weights of {_said(known)}", f"some that know any of {_said(classes)}"
        todo = "name the classes as the weights do, or begin from other weights or from scratch"
        raise BadWeights(got, need, todo)
    return sources


def _find(name: str, known: Sequence[str], classes: Sequence[str]) -> int | None:
    """The channel of exactly this name, else the only one in another case that one class alone wants."""
    if name in known:
        return known.index(name)
    alike = [channel for channel, each in enumerate(known) if each.lower() == name.lower()]
    wanted = [each for each in classes if each.lower() == name.lower()]
    return alike[0] if len(alike) == len(wanted) == 1 else None


def _said(names: Sequence[str]) -> str:
    text = ", ".join(names)
    return text if len(text) <= LONGEST_LIST else text[: LONGEST_LIST - 1] + "…"
