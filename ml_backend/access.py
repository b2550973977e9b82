"""Who may call: Label Studio by basic auth, its webhook by a header with our secret (it sends no basic auth
there). Whatever is not named as open here is closed, endpoints to come and unknown paths included.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Request
from werkzeug.datastructures import Authorization

from adapters.http_bodies import Head
from adapters.label_studio.provision import SECRET_HEADER
from adapters.settings import Settings
from adapters.throttle import Throttle, TooMany
from loop.errors import Denied

OPEN = frozenset({"health"})
"""Endpoints that tell nothing and ask nobody who they are."""
WEBHOOK = "webhook"
MAX_BODY_BYTES = 64 << 20
"""A call for predictions carries its tasks with all their annotations and predictions."""
BODY_BYTES = {WEBHOOK: 16 << 20, "setup": 1 << 20, "versions": 1 << 20}
"""Less where less comes. A webhook carries one annotation with its strokes as lists of numbers: 12 kB for a
vein, 3 MB for the noisiest mask of a megapixel. One that is refused is not lost: the reconciler finds it.
"""
STRANGERS_BYTES = 64 << 10
"""Of one who is refused anyway: kept in memory, so that Label Studio with a wrong password, whose calls are
small, reads the reason instead of a connection that breaks.
"""


@dataclass(frozen=True)
class Access:
    """The secrets that open the server; an empty one opens nothing."""

    user: str
    password: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    throttle: Throttle = field(default_factory=Throttle, repr=False)

    def check(self, request: Request) -> None:
        """Raises Denied unless the request may be answered, TooMany after too many wrong ones from its
        address.
        """
        if request.endpoint in OPEN:
            return
        address = request.remote_addr or ""
        self.throttle.check(address)
        if self._knows(request.endpoint, request.headers.get):
            self.throttle.trust(address)
            return
        self.throttle.note_refusal(address)
        if request.endpoint == WEBHOOK:
            raise Denied("a webhook without the right secret", f"the header {SECRET_HEADER}")
        raise Denied("a call without the right name and password", "Label Studio's basic auth")

    def body_limit(self, head: Head) -> int:
        """The largest body, in bytes, that is taken of a call before it is checked, by its head alone."""
        endpoint = head.path.removeprefix("/")
        try:
            self.throttle.check(head.address)
        except TooMany:
            return STRANGERS_BYTES
        return limit_of(endpoint) if self._knows(endpoint, head.header) else STRANGERS_BYTES

    def _knows(self, endpoint: str | None, header: Callable[[str], str | None]) -> bool:
        is_user = self._is_user(header("Authorization"))
        return is_user or (endpoint == WEBHOOK and _is_same(header(SECRET_HEADER) or "", self.webhook_secret))

    def _is_user(self, header: str | None) -> bool:
        try:
            given = Authorization.from_header(header)
        except ValueError:  # letters outside ASCII where base64 belongs
            return False
        if given is None or given.type != "basic":
            return False
        # both are compared, so that the time taken tells nothing of which one was wrong
        is_name = _is_same(given.username or "", self.user)
        return _is_same(given.password or "", self.password) and is_name


def access_of(settings: Settings) -> Access:
    """By the secrets of the settings, with a throttle of its own."""
    return Access(
        settings.backend_user,
        settings.backend_password.get_secret_value(),
        settings.webhook_secret.get_secret_value(),
    )


def limit_of(endpoint: str | None) -> int:
    """The largest body, in bytes, that an endpoint reads."""
    return BODY_BYTES.get(endpoint or "", MAX_BODY_BYTES)


def _is_same(given: str, needed: str) -> bool:
    return bool(needed) and hmac.compare_digest(given.encode(), needed.encode())
