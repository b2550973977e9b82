"""What the readers' address asks of Label Studio: whom its forms trust, and how its cookies travel."""

from typing import Any
from urllib.parse import urlsplit


def settings_for(public: str) -> dict[str, Any]:
    """Django's settings for readers who come through `public`, the address of a proxy or of this machine;
    none for an empty one.

    A proxy may speak another name or protocol to Label Studio than readers do to it, so that the origin of
    their forms is not its own. Over HTTPS cookies never travel in the clear.
    """
    parts = urlsplit(public)
    if not parts.scheme or not parts.netloc:
        return {}
    is_safe = parts.scheme == "https"
    return {
        "CSRF_TRUSTED_ORIGINS": [f"{parts.scheme}://{parts.netloc}"],
        "SESSION_COOKIE_SECURE": is_safe,
        "CSRF_COOKIE_SECURE": is_safe,
    }
