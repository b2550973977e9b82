"""The browser's stream is served in our order, and one frame to one reader.

A browser in which nobody has pressed "Label All Tasks" names a filter, an order and a selection with each
request, even when all three are empty. Label Studio takes that for a queue of the reader's own: it serves by
id, and looks neither at scores nor at locks.
"""

import json
from collections.abc import Callable
from typing import Any


def without_empty_wishes(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Django middleware: a request for the next task is passed on without what it leaves open."""

    def answer(request: Any) -> Any:
        if request.path.rstrip("/") == "/api/dm/actions" and request.GET.get("id") == "next_task":
            request._body = stripped(request.body)  # read once and kept there, for whoever reads it next
        return get_response(request)

    return answer


def stripped(body: bytes) -> bytes:
    """The same JSON object less an empty filter, order or selection; anything else comes back as it is."""
    try:
        asked = json.loads(body)
    except ValueError:
        return body
    if not isinstance(asked, dict):
        return body
    kept = {name: value for name, value in asked.items() if name not in WISHES or WISHES[name](value)}
    return json.dumps(kept).encode()


def _has_items(filters: Any) -> bool:
    return bool(filters.get("items") if isinstance(filters, dict) else filters)


def _chooses(selection: Any) -> bool:
    if not isinstance(selection, dict):
        return bool(selection)
    return bool(selection.get("included") or selection.get("excluded"))


WISHES: dict[str, Callable[[Any], bool]] = {
    "filters": _has_items,
    "ordering": bool,
    "selectedItems": _chooses,
}
"""By the name in the request, whether the reader really asks for something."""
