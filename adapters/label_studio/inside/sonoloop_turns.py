"""Two readers who ask for the next task in the same instant get two tasks.

Label Studio looks for a free task and locks it in two steps, which only PostgreSQL makes one.
"""

import re
import threading
from collections.abc import Callable
from typing import Any

STREAM = re.compile(r"^/api/(projects/\d+/next|dm/actions)/?$")


def one_at_a_time(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Django middleware: requests for a next task wait for one another, all others pass."""
    turn = threading.Lock()

    def answer(request: Any) -> Any:
        if not asks_for_task(request.path, request.GET.get("id", "")):
            return get_response(request)
        with turn:
            return get_response(request)

    return answer


def asks_for_task(path: str, action: str) -> bool:
    """By the address that programs use, or by the one of the browser, which names the action."""
    found = STREAM.match(path)
    return found is not None and (found[1] != "dm/actions" or action == "next_task")
