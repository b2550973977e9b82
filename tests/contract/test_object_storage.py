"""What an object store adds to the contract of storages: a real S3 server that refuses, loses its bucket, is
full or away, and the files that Label Studio needs beside it.
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from adapters.formats.pixels import encode_png
from adapters.storage import LocalStorage, ObjectStorage
from loop.errors import Denied, NotFound, OutOfSpace, SonoloopError, Unavailable
from loop.frames import frame_digest
from tests.contract.test_storage import DIGEST, WEIGHTS, WEIGHTS_DIGEST
from tests.services.s3 import RunningS3, running_s3
from tests.services.stand_in import StandIn, standing_in

IMAGE = np.arange(192, dtype=np.uint8).reshape(12, 16)
FRAME, PNG = frame_digest(IMAGE), encode_png(IMAGE)


@pytest.fixture
def storage(s3: RunningS3, tmp_path: Path) -> ObjectStorage:
    return ObjectStorage(s3.new_bucket(), LocalStorage(tmp_path))


def elsewhere(storage: ObjectStorage, folder: Path) -> ObjectStorage:
    """The same store, as another machine sees it: without copies."""
    return ObjectStorage(storage.url, LocalStorage(folder))


def served(home: Path, digest: str) -> Path:
    """The file behind Label Studio's `?d=all/<digest>.png`."""
    return home / "frames" / "all" / f"{digest}.png"


def test_a_frame_lies_in_the_store_and_where_label_studio_serves_it(
    storage: ObjectStorage, s3: RunningS3, tmp_path: Path
) -> None:
    storage.put("frames", FRAME, PNG)
    bucket, _, place = storage.url.removeprefix("s3://").partition("/")
    stored = s3.client().get_object(Bucket=bucket, Key=f"{place}/frames/all/{FRAME}.png")["Body"].read()
    assert stored == served(tmp_path, FRAME).read_bytes() == PNG


def test_frames_whose_files_are_gone_are_published_again(storage: ObjectStorage, tmp_path: Path) -> None:
    storage.put("frames", FRAME, PNG)
    served(tmp_path, FRAME).unlink()
    assert storage.publish([FRAME, DIGEST]) == 1, "one is nowhere, and keeps no other from coming"
    assert served(tmp_path, FRAME).read_bytes() == PNG
    assert storage.publish([FRAME]) == 0
    assert LocalStorage(tmp_path).publish([FRAME]) == 0


def test_what_one_machine_put_another_reads(storage: ObjectStorage, tmp_path: Path) -> None:
    storage.put("models", WEIGHTS_DIGEST, WEIGHTS)
    other = elsewhere(storage, tmp_path / "other")
    assert other.exists("models", WEIGHTS_DIGEST)
    assert other.local_path("models", WEIGHTS_DIGEST).read_bytes() == WEIGHTS


def test_a_damaged_copy_is_fetched_again(storage: ObjectStorage) -> None:
    storage.put("models", WEIGHTS_DIGEST, WEIGHTS)
    copy = storage.local_path("models", WEIGHTS_DIGEST)
    copy.write_bytes(WEIGHTS[:3])
    assert storage.get("models", WEIGHTS_DIGEST) == WEIGHTS
    assert copy.read_bytes() == WEIGHTS


def every_call(storage: ObjectStorage) -> Iterator[SonoloopError]:
    """What each way of asking raises; content that nobody has a copy of."""
    calls: list[Callable[[], object]] = [
        lambda: storage.put("models", WEIGHTS_DIGEST, WEIGHTS),
        lambda: storage.get("models", WEIGHTS_DIGEST),
        lambda: storage.exists("models", WEIGHTS_DIGEST),
        lambda: storage.publish([FRAME]),
    ]
    for call in calls:
        with pytest.raises(SonoloopError) as caught:
            call()
        yield caught.value


def test_a_bucket_that_is_gone_is_an_outage_and_not_lost_content(s3: RunningS3, tmp_path: Path) -> None:
    storage = ObjectStorage("s3://sonoloop-nowhere/content", LocalStorage(tmp_path))
    for error in every_call(storage):
        assert type(error) is Unavailable
        assert "need the bucket of the address; make it, or mend SONOLOOP_STORAGE_URL" in error.message
    names = [bucket["Name"] for bucket in s3.client().list_buckets()["Buckets"]]
    assert "sonoloop-nowhere" not in names, "a bucket is never made: its name may be wrong"


def test_keys_that_the_store_does_not_know_are_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RunningS3()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    try:
        server.start(calls_before_keys_count=0)
        for error in every_call(ObjectStorage("s3://sonoloop/content", LocalStorage(tmp_path))):
            assert type(error) is Denied
            assert "secret" not in error.message
    finally:
        server.kill()


def test_missing_keys_are_denied(s3: RunningS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    storage = ObjectStorage("s3://sonoloop/content", LocalStorage(tmp_path))
    assert {type(error) for error in every_call(storage)} == {Denied}


def test_a_store_that_went_away_is_unavailable_and_copies_are_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_s3() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        storage = ObjectStorage(server.new_bucket(), LocalStorage(tmp_path / "home"))
        storage.put("frames", FRAME, PNG)
    assert storage.get("frames", FRAME) == PNG
    for error in every_call(elsewhere(storage, tmp_path / "other")):
        assert type(error) is Unavailable
        assert "try again later" in error.message


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_store_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_s3() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        storage = ObjectStorage(server.new_bucket(), LocalStorage(tmp_path))
        server.signal(signal.SIGSTOP)
        with pytest.raises(Unavailable):
            storage.exists("models", WEIGHTS_DIGEST)


@pytest.mark.parametrize(
    ("status", "code"), [(507, "InsufficientStorage"), (403, "QuotaExceeded"), (507, "")]
)
def test_a_store_without_room_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    with store_that_answers(status, code) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        storage = ObjectStorage("s3://sonoloop/content", LocalStorage(tmp_path))
        with pytest.raises(OutOfSpace, match="raise its quota"):
            storage.put("models", WEIGHTS_DIGEST, WEIGHTS)


def test_an_unfinished_copy_is_swept_away(storage: ObjectStorage, tmp_path: Path) -> None:
    storage.put("frames", FRAME, PNG)
    part = served(tmp_path, FRAME).with_name(".writing-abc")
    part.write_bytes(b"half")
    assert LocalStorage(tmp_path).remove_leftovers(older_than=0) == 1
    assert storage.remove_leftovers() == 0
    assert not part.exists()


def test_content_that_is_nowhere_is_not_found(storage: ObjectStorage) -> None:
    with pytest.raises(NotFound, match=hashlib.sha256(WEIGHTS).hexdigest()):
        storage.local_path("models", WEIGHTS_DIGEST)


@contextmanager
def store_that_answers(status: int, code: str) -> Iterator[str]:
    """A server that has nothing and refuses every write as an S3 store does."""

    class Handler(StandIn):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.given()
            if self.command == "HEAD":
                self.say(404)
            elif self.command == "GET":
                self.say(200, b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")
            else:
                self.say(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    with standing_in(Handler) as url:
        yield url
