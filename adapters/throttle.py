"""Slows down who guesses: a token bucket of refusals for each address."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from loop.errors import Denied

REFUSALS = 10
"""Wrong log-ins that one address may send at once."""
SECONDS_PER_REFUSAL = 6.0
"""How long it waits for one more: 10 a minute."""
ADDRESSES_KEPT = 4096
TRUST_SECONDS = 3600.0
"""How long an address that knew the secret is heard in spite of wrong calls beside it."""


class TooMany(Denied):
    """Too many wrong log-ins from one address; `seconds` until it is heard again."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too many calls without the right secret", "a pause", f"wait {seconds} s")
        self.seconds = seconds


@dataclass
class _Bucket:
    tokens: float
    at: float
    trusted_until: float = -math.inf


class Throttle:
    """Refusals by address, for the last few thousand addresses; safe to share between threads.

    An address without tokens is not heard at all, so that a guess is not even looked at. The one exception is
    an address that knew the secret within the last hour: Label Studio goes on while somebody on its own
    machine guesses. (A drawn secret has 192 bits: guessing is noise, not danger.)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str) -> None:
        """Raises TooMany while the address has no tokens left."""
        with self._lock:
            bucket = self._buckets.get(address)
            if bucket is None or bucket.trusted_until > self._clock():
                return
            self._require_token(bucket)

    def note_refusal(self, address: str) -> None:
        """Take a token. Raises TooMany when there is none left to take."""
        with self._lock:
            bucket = self._bucket(address)
            self._require_token(bucket)
            bucket.tokens -= 1

    def trust(self, address: str) -> None:
        """Note that the address knew the secret."""
        with self._lock:
            self._bucket(address).trusted_until = self._clock() + TRUST_SECONDS

    def _bucket(self, address: str) -> _Bucket:
        bucket = self._buckets.setdefault(address, _Bucket(float(REFUSALS), self._clock()))
        self._buckets.move_to_end(address)
        while len(self._buckets) > ADDRESSES_KEPT:
            self._buckets.popitem(last=False)
        return bucket

    def _require_token(self, bucket: _Bucket) -> None:
        now = self._clock()
        bucket.tokens = min(REFUSALS, bucket.tokens + (now - bucket.at) / SECONDS_PER_REFUSAL)
        bucket.at = now
        if bucket.tokens < 1:
            raise TooMany(math.ceil((1 - bucket.tokens) * SECONDS_PER_REFUSAL))
