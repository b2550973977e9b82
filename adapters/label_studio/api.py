"""Label Studio's HTTP API with our errors: reads are repeated when the server is busy, writes never are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any, ParamSpec, Self, TypeVar
from urllib.request import Request

import httpx

from adapters.owners import Guard, guarding
from loop.errors import BadRequest, Denied, NotFound, SonoloopError, Unavailable

READ_SECONDS = 60.0
WRITE_SECONDS = 120.0
CONNECT_SECONDS = 5.0
PAUSES = (0.3, 1.0, 3.0)
"""Seconds between the tries of one read."""
DETAIL_LENGTH = 150

Read = TypeVar("Read")
Given = ParamSpec("Given")
Params = Mapping[str, str | int | bool]


class BehindProxy(DefaultCookiePolicy):
    """Keeps cookies that are meant for HTTPS alone: we speak to Label Studio from behind the proxy."""

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        """Whether the cookie is kept; one that is goes back over HTTP too."""
        cookie.secure = False
        return super().set_ok(cookie, request)


class Api:
    """One connection pool to one Label Studio, safe to share between threads.

    With a `token` it speaks as that user and keeps no cookies; without one it is a browser's session. The
    `guard` looks at each new connection before anything is sent over it. Every call raises Unavailable (no
    answer, a stranger's port, overload, broken answer), Denied, NotFound or BadRequest.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        guard: Guard | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self.guard = guard
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Token {token}"} if token else {},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[]) if token else BehindProxy()),
            timeout=httpx.Timeout(WRITE_SECONDS, connect=CONNECT_SECONDS),
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies of a browser's session."""
        return dict(self._client.cookies)

    def get(self, path: str, params: Params | None = None) -> Any:
        """Read JSON."""
        return _json(self.read(path, params))

    def read(self, path: str, params: Params | None = None) -> httpx.Response:
        """Read anything, again after a pause when the server did not answer well."""
        for pause in PAUSES:
            try:
                return self.send("GET", path, params=params, timeout=READ_SECONDS)
            except Unavailable:
                self._sleep(pause)
        return self.send("GET", path, params=params, timeout=READ_SECONDS)

    def post(self, path: str, body: Mapping[str, Any] | Sequence[Any], params: Params | None = None) -> Any:
        """Create something; sent once."""
        return _json(self.send("POST", path, params=params, json=body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something; sent once."""
        return _json(self.send("PATCH", path, json=body))

    def delete(self, path: str) -> None:
        """Delete something; sent once."""
        self.send("DELETE", path)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; any answer below 400 is returned, redirects included. Raises BadRequest for a path
        that leads to another host.
        """
        if not path.startswith("/") and not path.startswith(f"{self.url}/"):
            raise BadRequest("an address elsewhere", "a path of Label Studio", "nothing was sent")
        try:
            response = self._client.request(method, path, extensions=guarding(self.guard), **options)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise Unavailable(
                f"no answer from Label Studio ({type(exc).__name__})", todo="see whether it runs, try again"
            ) from exc
        if response.status_code >= 400:
            raise _error(response)
        return response


def understood(read: Callable[Given, Read]) -> Callable[Given, Read]:
    """Let a reader of answers raise Unavailable where what it looks for is missing or of another kind."""

    @wraps(read)
    def reading(*given: Given.args, **named: Given.kwargs) -> Read:
        try:
            return read(*given, **named)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            raise Unavailable(
                f"an answer without what is looked for ({type(exc).__name__})",
                "Label Studio 1.23",
                "see which version runs, try again",
            ) from exc

    return reading


def _error(response: httpx.Response) -> SonoloopError:
    status, detail = response.status_code, _detail(response)
    if status in (401, 403):
        return Denied(f"a refusal from Label Studio: {detail}", "a valid token", status=status)
    if status == 404:
        return NotFound(f"nothing at Label Studio: {detail}", status=status)
    if status in (408, 429) or status >= 500:
        return Unavailable(f"an error of Label Studio: {detail}", todo="try again later", status=status)
    return BadRequest(f"a refusal from Label Studio: {detail}", status=status)


def _detail(response: httpx.Response) -> str:
    """What Label Studio says was wrong, without the trace it may add."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return response.reason_phrase or "no reason given"
    if not isinstance(body, Mapping):
        return _shortened(str(body))
    said = body.get("validation_errors") or body.get("detail") or body
    return _shortened(str(said))


def _shortened(text: str) -> str:
    """Both ends: Label Studio repeats what it was sent before it says what was wrong with it."""
    if len(text) <= 2 * DETAIL_LENGTH:
        return text
    return f"{text[:DETAIL_LENGTH]} ... {text[-DETAIL_LENGTH:]}"


def _json(response: httpx.Response) -> Any:
    if response.is_redirect:  # never followed: it may lead anywhere, and our token with it
        raise Unavailable(
            "a way to another address", "Label Studio's API", "check the address of Label Studio"
        )
    try:
        return response.json()
    except (ValueError, RecursionError) as exc:  # no JSON, or nested a thousand times
        raise Unavailable(
            "an answer that is not JSON", "Label Studio's API", "check the address of Label Studio"
        ) from exc
