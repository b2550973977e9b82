"""Who may call: Label Studio by basic auth, its webhook by a header with our secret (it sends no basic auth
there).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from flask import Request

from loop.errors import Denied

SECRET_HEADER = "X-Sonoloop-Secret"  # noqa: S105, the name of a header


@dataclass(frozen=True)
class Access:
    """The secrets that open the server; an empty one opens nothing."""

    user: str
    password: str
    webhook_secret: str

    def check_caller(self, request: Request) -> None:
        """Raises Denied unless the request carries the user's name and password."""
        if not self._is_user(request):
            raise Denied("a call without the right name and password", "Label Studio's basic auth")

    def check_webhook(self, request: Request) -> None:
        """Raises Denied unless the request carries the webhook's secret, or name and password."""
        given = request.headers.get(SECRET_HEADER, "")
        if not (_is_same(given, self.webhook_secret) or self._is_user(request)):
            raise Denied("a webhook without the right secret", f"the header {SECRET_HEADER}")

    def _is_user(self, request: Request) -> bool:
        given = request.authorization
        if given is None or given.type != "basic":
            return False
        # both are compared, so that the time taken tells nothing of which one was wrong
        is_name = _is_same(given.username or "", self.user)
        return _is_same(given.password or "", self.password) and is_name


def _is_same(given: str, needed: str) -> bool:
    return bool(needed) and hmac.compare_digest(given.encode(), needed.encode())
