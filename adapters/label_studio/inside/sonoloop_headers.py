"""What readers' browsers may do with Label Studio's pages: nothing of them leaves for another host, and no
other page frames them.
"""

from collections.abc import Callable
from typing import Any

POLICY = "; ".join(
    [
        "base-uri 'self'",
        "connect-src 'self'",  # the page knows addresses of telemetry; it shall not reach them
        "font-src 'self' data:",
        "form-action 'self'",
        "frame-ancestors 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "object-src 'none'",
    ]
)
"""Label Studio's scripts and styles stand in its pages: for them its own reported policy stays."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Server": "Label Studio",  # else the server names its version and Python's
}
TWO_YEARS = 63_072_000


def careful_headers(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Django middleware: what Label Studio says itself stays as it is."""

    def answer(request: Any) -> Any:
        response = get_response(request)
        wanted = HEADERS
        if request.is_secure():
            wanted = {**HEADERS, "Strict-Transport-Security": f"max-age={TWO_YEARS}"}
        for name, value in wanted.items():
            response.headers.setdefault(name, value)
        return response

    return answer
