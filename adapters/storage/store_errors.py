"""What the errors of an object store mean: fsspec gives a kind of OSError, or lets a client's own through."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from loop.errors import Denied, NotFound, OutOfSpace, SonoloopError, Unavailable

NO_ROOM = {"507", "InsufficientStorage", "QuotaExceeded", "QuotaExceededException"}
NO_BUCKET = "NoSuchBucket"
REFUSED = {401, 403}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def mapped_store_errors(**ids: object) -> Iterator[None]:
    """Turn what a store raises into our own tree: OutOfSpace, NotFound, Denied or Unavailable.

    The store's own words are left out: they name addresses and keys.
    """
    try:
        yield
    except (OSError, BotoCoreError, ClientError) as error:
        raise store_error(error, **ids) from error


def store_error(error: Exception, **ids: object) -> SonoloopError:
    """The error of our own that one of a store means.

    A bucket that is not there is Unavailable and not NotFound: its content may come back with it.
    """
    code, status = _answer_of(error)
    if code in NO_ROOM or status == 507 or getattr(error, "errno", None) in _FULL:
        todo = "free some space or raise its quota, then try again"
        return OutOfSpace("a store without room", "room for the data", todo, **ids)
    if code == NO_BUCKET:
        todo = "make it, or mend SONOLOOP_STORAGE_URL"
        return Unavailable("a store without our bucket", "the bucket of the address", todo, **ids)
    if isinstance(error, FileNotFoundError):
        todo = "restore it from a backup"
        return NotFound("no such content in storage", "stored content", todo, **ids)
    no_keys = (PermissionError, NoCredentialsError, PartialCredentialsError)
    if isinstance(error, no_keys) or status in REFUSED:
        todo = "check the keys"
        return Denied("a store that refuses us", "keys that may read and write", todo, **ids)
    return Unavailable("a store that does not answer", "a reachable one", "try again later", **ids)


def is_without_bucket(error: Exception) -> bool:
    """Whether it is the bucket that is not there, rather than the content."""
    return _answer_of(error)[0] == NO_BUCKET


def _answer_of(error: BaseException | None) -> tuple[str, int]:
    """Code and HTTP status of the store's answer, from the error itself or from the one behind it."""
    while error is not None:
        answer: Any = getattr(error, "response", None)
        if isinstance(answer, dict):
            code = str(answer.get("Error", {}).get("Code", ""))
            return code, int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        error = error.__cause__
    return "", 0
