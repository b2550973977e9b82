"""Whatever bytes and values come in, what comes out is a result or an error of ours, soon and small."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from adapters.brush import SdkBrushCodec
from adapters.environment import load_settings
from adapters.formats.clips import ClipIndex, identify, read_index
from adapters.formats.pixels import decode_frame
from adapters.formats.truth import parse_classes
from adapters.home_files import read_env_file
from adapters.label_studio.client import annotation_from, task_from
from adapters.label_studio.config import label_config
from loop.errors import SonoloopError
from loop.events import parse_event
from loop.masks import HEADER, MAGIC, pack, unpack
from loop.regions import result_to_mask
from ml_backend.protocol import project_key, tasks_of
from tests.garbage import calls, events, json_values, run
from trainer.weights import from_bytes

CODEC = SdkBrushCodec()
SALT = b"a secret of this home"
LONGEST_MESSAGE = 1000

regions = st.fixed_dictionaries(
    {"type": st.just("brushlabels") | json_values, "value": json_values},
    optional={
        "original_width": st.just(4) | json_values,
        "original_height": st.just(3) | json_values,
        "image_rotation": st.just(0) | json_values,
        "id": json_values,
    },
)
parts = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda part: part not in (".", "..")
)
codes = st.lists(st.integers(0, 255), max_size=80)
rle_regions = codes.map(
    lambda code: {
        "type": "brushlabels",
        "original_width": 4,
        "original_height": 3,
        "value": {"format": "rle", "rle": [0, 0, 0, 48, *code], "brushlabels": ["v"]},
    }
)
packed = st.builds(
    lambda c, h, w, rest: HEADER.pack(MAGIC, c, h, w) + rest,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=60),
)
damaged_masks = st.tuples(st.integers(0, 200), st.integers(0, 255)).map(
    lambda change: _changed(pack(np.eye(40, dtype=np.bool_)[None]), *change)
)
weights = st.builds(
    lambda header, length, body: (
        struct.pack("<Q", length if length is not None else len(header)) + header + body
    ),
    json_values.map(lambda value: json.dumps({"a": value, "__metadata__": value}).encode())
    | st.binary(max_size=60),
    st.none() | st.integers(0, 2**64 - 1),
    st.binary(max_size=40),
)


def _changed(data: bytes, place: int, value: int) -> bytes:
    place %= len(data)
    return data[:place] + bytes([value]) + data[place + 1 :]


def _classes_survive(text: str) -> None:
    classes = parse_classes(text).names
    read = [label.get("value") for label in Xml.fromstring(label_config(classes)).iter("Label")]  # noqa: S314
    assert read == list(classes)


def _env_file(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sonoloop.env").write_bytes(data)
        assert all(isinstance(value, str) for value in read_env_file(Path(folder) / "sonoloop.env").values())
        load_settings(Path(folder))


def _index(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.csv").write_bytes(data)
        read_index(Path(folder), [PurePosixPath("a/1.png"), PurePosixPath("b2_7.png")])


def _name(parts: list[str]) -> None:
    identity = identify(PurePosixPath(*parts), "ab" * 32, ClipIndex({}), SALT)
    assert identity.clip.startswith("clip-")
    assert len(identity.clip) == len("clip-") + 16


def _unpacked(data: bytes) -> None:
    assert unpack(data).ndim == 3


def _decoded(code: list[Any]) -> None:
    assert CODEC.decode(code, 3, 4).shape == (3, 4)


env_lines = st.lists(
    st.tuples(st.sampled_from(["SONOLOOP_SEED", "SONOLOOP_HOST", "SONOLOOP_REDIS_URL", "X", "#"]), st.text())
).map(lambda pairs: "\n".join(f"{name}={value}" for name, value in pairs).encode(errors="surrogatepass"))
Checked = tuple[Callable[[Any], object], SearchStrategy[Any]]
FUZZED: dict[str, Checked] = {
    "webhook events": (parse_event, events | json_values),
    "calls for predictions": (lambda body: (project_key(body), tasks_of(body)), calls),
    "results of an annotation": (
        lambda result: result_to_mask(result, ["v"], 3, 4, CODEC),
        st.lists(regions | rle_regions | json_values, max_size=4),
    ),
    "annotations of the API": (annotation_from, events | json_values),
    "tasks of the API": (task_from, events | json_values),
    "run-length codes": (_decoded, st.lists(st.integers(0, 255) | json_values, max_size=60)),
    "run-length codes of the right length": (_decoded, codes.map(lambda code: [0, 0, 0, 48, *code])),
    "stored masks": (_unpacked, st.binary(max_size=80) | packed | damaged_masks),
    "class lists": (_classes_survive, st.text(max_size=60) | st.lists(st.text(max_size=8)).map(",".join)),
    "env files": (_env_file, st.binary(max_size=200) | env_lines),
    "tables of clips": (_index, st.binary(max_size=200) | st.text(max_size=80).map(str.encode)),
    "file names": (_name, st.lists(parts, min_size=1, max_size=4)),
    "images": (decode_frame, st.binary(max_size=200) | st.binary(max_size=80).map(b"GIF89a".__add__)),
    "weights": (from_bytes, weights | st.binary(max_size=60)),
}


def holds(name: str) -> tuple[Callable[[Any], None], SearchStrategy[Any]]:
    """The property: a result, or an error of ours that fits on a few lines."""
    check, strategy = FUZZED[name]

    def property_(value: Any) -> None:
        message = ""
        try:
            check(value)
        except SonoloopError as error:
            message = error.message
        assert len(message) <= LONGEST_MESSAGE

    return property_, strategy


@pytest.mark.parametrize("name", FUZZED)
def test_garbage_ends_in_nothing_but_our_own_errors(name: str) -> None:
    run(*holds(name), is_long=False)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FUZZED)
def test_much_garbage_ends_in_nothing_but_our_own_errors(name: str) -> None:
    run(*holds(name), is_long=True)
