"""Who may call: Label Studio by basic auth, its webhook by a header with our secret (it sends no basic auth
there). Whatever is not named as open here is closed, endpoints to come and unknown paths included.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from flask import Request

from adapters.label_studio.provision import SECRET_HEADER
from loop.errors import Denied
from ml_backend.throttle import Throttle

OPEN = frozenset({"health"})
"""Endpoints that tell nothing and ask nobody who they are."""
WEBHOOK = "webhook"


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
        if self._is_user(request) or (request.endpoint == WEBHOOK and self._has_secret(request)):
            self.throttle.trust(address)
            return
        self.throttle.note_refusal(address)
        if request.endpoint == WEBHOOK:
            raise Denied("a webhook without the right secret", f"the header {SECRET_HEADER}")
        raise Denied("a call without the right name and password", "Label Studio's basic auth")

    def _has_secret(self, request: Request) -> bool:
        return _is_same(request.headers.get(SECRET_HEADER, ""), self.webhook_secret)

    def _is_user(self, request: Request) -> bool:
        try:
            given = request.authorization
        except ValueError:  # letters outside ASCII where base64 belongs
            return False
        if given is None or given.type != "basic":
            return False
        # both are compared, so that the time taken tells nothing of which one was wrong
        is_name = _is_same(given.username or "", self.user)
        return _is_same(given.password or "", self.password) and is_name


def _is_same(given: str, needed: str) -> bool:
    return bool(needed) and hmac.compare_digest(given.encode(), needed.encode())
