"""What every answer carries, and what an error looks like from outside: one sentence, never a traceback."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from adapters.throttle import TooMany
from loop.errors import BadInput, BadRequest, Conflict, Denied, NotFound, SonoloopError, Unavailable

STATUS: tuple[tuple[type[SonoloopError], int], ...] = (
    (TooMany, 429),
    (Denied, 401),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
    (BadInput, 400),
    (BadRequest, 400),
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Only programs call this server. A browser that is sent here is told not to store the answer, run scripts
from it, show it in a frame or guess its type.
"""

Answer = Response | tuple[Response, int]

log = structlog.get_logger()


def guard_answers(app: Flask) -> None:
    """Give every answer the headers, and every error its status and its sentence."""
    app.register_error_handler(SonoloopError, _answer_own)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unforeseen)
    app.after_request(_with_headers)


def _with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _answer_own(error: SonoloopError) -> Answer:
    status = next((number for kind, number in STATUS if isinstance(error, kind)), 500)
    log.info("request_refused", endpoint=request.endpoint, status=status, reason=error.message)
    answer = jsonify(error=error.message)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="Sonoloop"'
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(error.seconds)
    return answer, status


def _answer_http(error: HTTPException) -> Answer:
    answer = jsonify(error=error.description or error.name)
    answer.headers.extend([pair for pair in error.get_headers() if pair[0] in ("Allow", "Retry-After")])
    return answer, error.code or 500


def _answer_unforeseen(error: Exception) -> tuple[Any, int]:
    log.error("request_failed", endpoint=request.endpoint, exc_info=error)
    return jsonify(error="an error that nobody foresaw; the backend's log has it"), 500
