"""One contract on every storage: whole or not at all, never overwritten, checked by digest, closed to other
paths.
"""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import numpy as np
import pytest

from adapters.disk import PART_PREFIX, disk_error
from adapters.formats.pixels import encode_png
from adapters.storage import LocalStorage, ObjectStorage, StoredImages, open_storage
from loop.errors import BadFrame, BadMask, BadRequest, BadWeights, Denied, NotFound, OutOfSpace, Unavailable
from loop.frames import frame_digest
from loop.masks import mask_digest, pack
from loop.records import Frame
from tests.services.s3 import RunningS3

AnyStorage = LocalStorage | ObjectStorage
DIGEST = "ab" * 32
WEIGHTS = b"weights"
WEIGHTS_DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture(params=["local", "fsspec on disk", "fsspec in memory", "S3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStorage]:
    if request.param == "local":
        yield LocalStorage(tmp_path)
    elif request.param == "fsspec on disk":
        yield ObjectStorage(f"file://{tmp_path / 'remote'}", LocalStorage(tmp_path / "copies"))
    elif request.param == "S3":
        server: RunningS3 = request.getfixturevalue("s3")
        yield ObjectStorage(server.new_bucket(), LocalStorage(tmp_path / "copies"))
    else:
        yield ObjectStorage("memory://contract", LocalStorage(tmp_path / "copies"))
        fsspec.filesystem("memory").store.clear()


def stored_mask() -> tuple[str, bytes]:
    mask = np.zeros((2, 9, 7), dtype=np.bool_)
    mask[1, 2:5, 3] = True
    return mask_digest(mask), pack(mask)


def frame_of(digest: str) -> Frame:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    return Frame(7, 1, digest, 16, 12, "clip-1", None, False, None, now)


@pytest.mark.parametrize("kind", ["frames", "embeddings"])
def test_bytes_come_back_as_they_were_put(storage: AnyStorage, kind: str) -> None:
    assert not storage.exists(kind, DIGEST)
    storage.put(kind, DIGEST, b"content")
    assert storage.exists(kind, DIGEST)
    assert storage.get(kind, DIGEST) == b"content"


def test_models_and_masks_come_back_checked(storage: AnyStorage) -> None:
    digest, packed = stored_mask()
    storage.put("models", WEIGHTS_DIGEST, WEIGHTS)
    storage.put("masks", digest, packed)
    assert storage.get("models", WEIGHTS_DIGEST) == WEIGHTS
    assert storage.get("masks", digest) == packed


def test_what_is_there_is_never_overwritten(storage: AnyStorage) -> None:
    storage.put("embeddings", DIGEST, b"first")
    storage.put("embeddings", DIGEST, b"second")
    assert storage.get("embeddings", DIGEST) == b"first"


def test_missing_content_is_not_found(storage: AnyStorage) -> None:
    with pytest.raises(NotFound):
        storage.get("masks", DIGEST)
    with pytest.raises(NotFound):
        storage.local_path("models", DIGEST)


def test_weights_under_a_foreign_digest_are_refused(storage: AnyStorage) -> None:
    storage.put("models", DIGEST, WEIGHTS)
    with pytest.raises(BadWeights, match=DIGEST):
        storage.get("models", DIGEST)


def test_a_mask_under_a_foreign_digest_is_refused(storage: AnyStorage) -> None:
    storage.put("masks", DIGEST, stored_mask()[1])
    with pytest.raises(BadMask, match=DIGEST):
        storage.get("masks", DIGEST)


@pytest.mark.parametrize(
    "digest", ["", "../" * 21 + "x", "AB" * 32, "ab" * 31, "ab" * 32 + "\n", "/etc/passwd"]
)
def test_only_a_digest_names_content(storage: AnyStorage, digest: str) -> None:
    for call in (storage.exists, storage.get, storage.local_path):
        with pytest.raises(BadRequest, match="no digest"):
            call("frames", digest)
    with pytest.raises(BadRequest):
        storage.put("frames", digest, b"x")


def test_an_unknown_kind_is_refused(storage: AnyStorage) -> None:
    with pytest.raises(BadRequest, match="one of frames, masks, models, embeddings"):
        storage.exists("../frames", DIGEST)


def test_a_local_path_holds_the_content(storage: AnyStorage) -> None:
    storage.put("models", WEIGHTS_DIGEST, WEIGHTS)
    path = storage.local_path("models", WEIGHTS_DIGEST)
    assert path.name == f"{WEIGHTS_DIGEST}.safetensors"
    assert path.read_bytes() == WEIGHTS


def test_writers_of_the_same_content_do_not_disturb_one_another(storage: AnyStorage) -> None:
    data = bytes(200_000)
    threads = [threading.Thread(target=storage.put, args=("embeddings", DIGEST, data)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.get("embeddings", DIGEST) == data


def test_images_are_read_and_checked_by_their_pixels(storage: AnyStorage) -> None:
    image = np.arange(192, dtype=np.uint8).reshape(12, 16)
    storage.put("frames", frame_digest(image), encode_png(image))
    assert np.array_equal(StoredImages(storage).read(frame_of(frame_digest(image))), image)


@pytest.mark.parametrize("data", [b"", b"no image", encode_png(np.zeros((12, 16), np.uint8))[:40]])
def test_a_damaged_stored_frame_is_refused_by_its_id(storage: AnyStorage, data: bytes) -> None:
    storage.put("frames", DIGEST, data)
    with pytest.raises(BadFrame, match="frame 7"):
        StoredImages(storage).read(frame_of(DIGEST))


def test_a_stored_frame_with_other_pixels_is_refused(storage: AnyStorage) -> None:
    storage.put("frames", DIGEST, encode_png(np.zeros((12, 16), np.uint8)))
    with pytest.raises(BadFrame, match="pixels have changed"):
        StoredImages(storage).read(frame_of(DIGEST))


def test_the_settings_choose_the_storage(tmp_path: Path) -> None:
    assert isinstance(open_storage(tmp_path), LocalStorage)
    assert isinstance(open_storage(tmp_path, "memory://x"), ObjectStorage)


def test_content_lies_where_label_studio_and_people_look_for_it(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    for kind in ("frames", "masks", "models", "embeddings"):
        storage.put(kind, DIGEST, b"x")
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        f"embeddings/ab/{DIGEST}.bin",
        f"frames/all/{DIGEST}.png",
        f"masks/ab/{DIGEST}.slm",
        f"models/{DIGEST}.safetensors",
    ]


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    """The limit on file sizes stops a real write half-way, as a full disk does."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from adapters.storage import LocalStorage\n"
        "from loop.errors import OutOfSpace\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "storage = LocalStorage(Path(sys.argv[1]))\n"
        "storage.put('embeddings', 'cd' * 32, bytes(90_000))\n"
        "try: storage.put('embeddings', 'ab' * 32, bytes(200_000))\n"
        "except OutOfSpace as error: print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("got a full disk; need room for the data")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["cd" * 32 + ".bin"]
    assert str(tmp_path) not in done.stdout


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, OutOfSpace),
        (errno.EDQUOT, OutOfSpace),
        (errno.EACCES, Denied),
        (errno.EROFS, Denied),
        (errno.ENOENT, NotFound),
        (errno.EIO, Unavailable),
    ],
)
def test_errors_of_the_disk_have_their_place_in_the_tree(number: int, expected: type[Exception]) -> None:
    error = disk_error(OSError(number, os.strerror(number), "/home/Jane Doe/x"), digest=DIGEST)
    assert type(error) is expected
    assert "Jane" not in str(error)
    assert DIGEST in str(error)


def test_a_folder_where_none_can_be_made_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(Unavailable, match="disk error"):
        LocalStorage(tmp_path).put("models", DIGEST, b"x")


def test_a_writer_killed_half_way_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from adapters.storage import LocalStorage\n"
        "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        "LocalStorage(Path(sys.argv[1])).put('models', 'ab' * 32, bytes(1000))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    storage = LocalStorage(tmp_path)
    assert not storage.exists("models", DIGEST)
    assert [path.name.startswith(PART_PREFIX) for path in (tmp_path / "models").iterdir()] == [True]
    assert storage.remove_leftovers() == 0  # it may still be at work
    assert storage.remove_leftovers(older_than=0) == 1
