"""Names that look like those of one film's frames: they tell no recording, and yet hint at one."""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from statistics import median

FEWEST = 8
"""Names of one series or several; a few pictures of different people are often numbered."""
WIDEST_GAP = 10
"""Films are often exported every few frames; the numbers of patients lie further apart."""

_NUMBERED = re.compile(r"(?P<series>.*?)[\s_.-]*\(?(?P<number>[0-9]+)\)?")
_LETTERED = re.compile(r"(?P<series>.*[0-9].*)[\s_.-](?P<letter>[A-Za-z])")


def count_in_series(stems: Iterable[str], beside: Iterable[str] = ()) -> int:
    """How many file names, without suffix, are numbered like a film's frames, such as `frame_0001`, `0001`,
    `IMG0001` and `patient12-0003`, or lettered like `case3_a`; 0 where these are few.

    Names that differ in the number alone are a series where half of its gaps or more are small. Those
    `beside` are not counted, yet belong to the series: what is left of a film is a film's all the same.
    """
    numbers = _numbers_by_series(stems)
    whole = _numbers_by_series(beside)
    for series, each in numbers.items():
        whole[series] |= each
    dense = [series for series in numbers if _is_dense(whole[series])]
    if sum(len(whole[series]) for series in dense) < FEWEST:
        return 0
    return sum(len(numbers[series]) for series in dense)


def _numbers_by_series(stems: Iterable[str]) -> defaultdict[str, set[int]]:
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for stem in stems:
        if numbered := _NUMBERED.fullmatch(stem):
            numbers[numbered["series"]].add(int(numbered["number"]))
        elif lettered := _LETTERED.fullmatch(stem):
            place = string.ascii_lowercase.index(lettered["letter"].lower())
            numbers[f"{lettered['series']} by letter"].add(place)
    return numbers


def _is_dense(numbers: Iterable[int]) -> bool:
    gaps = [after - before for before, after in pairwise(sorted(numbers))]
    return bool(gaps) and median(gaps) <= WIDEST_GAP
