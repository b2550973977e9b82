"""The proxy of docker-compose.yml: a real Caddy on our Caddyfile, before a server that notes what comes."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from cli.secrets import write_secrets
from cli.system_parts import CADDY, COMPOSE
from tests.conftest import demand
from tests.services.caddy import PASSWORD, SITE, RunningCaddy, running_caddy
from tests.services.compose import resolved
from tests.services.label_studio import LabelStudioServer
from tests.services.stand_in import StandIn, standing_in

pytestmark = pytest.mark.services
LIMIT = 250_000_000
SECRETS = (
    "Querysecret",
    "Headersecret",
    "Cookiesecret",
    "Referersecret",
    "Locationsecret",
    "Setcookiesecret",
)
DEVELOPERS = ("version", "metrics", "admin", "docs", "django-rq", "swagger")
TRICKS = (
    "/{0}",
    "/{0}/",
    "//{0}/",
    "/{1}/",
    "/{2}/",
    "/{0}%2f",
    "/%2f{0}/",
    "/%2e/{0}/",
    "/x/../{0}/",
    "/x/%2e%2e/{0}/",
    "/x/..%2f{0}/",
    "/./{0}/",
    "/{0}//",
    "/{0}/?x=1",
    "http://sonoloop.test/{0}/",
)
"""Ways to write an address: as it is, in capitals (1), and with an encoded letter (2)."""
ANYWHERE = (
    *("/x/version/", "/version/x", "/%0aversion/", "/x%5c..%5cversion/", "/x/api/version/", "/api/version/x"),
    *(
        "/trigger500/",
        "/x/trigger500/",
        "/samples/time-seriesXcsv",
        "/x/samples/paragraphs.json",
        "/x/metrics/",
    ),
    *("/version/../x", "/x/trigger500/..%2fy", "/admin/..", "/admin/users/user/..%2f..%2f..%2fx/change/"),
    *("/docs/api/schema/json/", "/admin%2flogin/", "/django-rq/queues/", "/swagger.json", "/Swagger.yaml"),
)
CLOSED = (
    *(
        trick.format(word, word.upper(), f"%{ord(word[0]):02x}{word[1:]}")
        for word in DEVELOPERS
        for trick in TRICKS
    ),
    *ANYWHERE,
)
HARMLESS = (
    "/version%252f",
    "/%2576ersion/",
    "/version%00/",
    "/version%0a/",
    "/docs;x/api/",
)
"""What Label Studio has no page for."""
VERSION = ("/api/version", "/api/version/", "//api/version/", "/api//version/", "/api/%76ersion/?x=1")
READERS = (
    *("/", "/user/login/", "/projects/1/data/?tab=1", "/api/projects/1/next/", "/api/ml/1/versions"),
    *("/static/docs.css", "/api/projects/1/model-versions/", "/data/local-files/?d=all/a%20b.png", "/health"),
)


@dataclass
class Upstream:
    """`heard` holds each request line, `headers` those of the last one, `bodies` the length of each body."""

    heard: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def proxy(upstream: Upstream) -> Iterator[RunningCaddy]:
    class Handler(StandIn):
        def answer(self) -> None:
            upstream.heard.append(f"{self.command} {self.path}")
            upstream.headers = dict(self.headers)
            upstream.bodies.append(len(self.given()))
            if self.path.startswith("/broken"):
                self.close_connection = True
                return
            own = {"X_Frame_Options": "DENY", "Server": "LS/1.23", "X_Powered_By": "Django"}
            secret = {"Location": "/?token=Locationsecret", "Set_Cookie": "sessionid=Setcookiesecret"}
            self.say(200, b"a page", **own, **secret)

    caddy, compose = demand(CADDY), demand(COMPOSE)
    folder = Path(tempfile.mkdtemp(prefix="sonoloop-proxy-"))
    try:
        write_secrets(folder / "sonoloop.env")
        config = resolved(compose, folder / "sonoloop.env", "proxy")
        with (
            standing_in(Handler) as url,
            running_caddy(config, caddy, folder, url.removeprefix("http://")) as running,
        ):
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def monitoring(proxy: RunningCaddy, path: str, password: str = "") -> httpx.Response:
    auth = ("sonoloop", password) if password else None
    with httpx.Client(verify=proxy.trust(), trust_env=False, timeout=60) as client:
        return client.get(f"https://localhost:{proxy.monitoring}{path}", auth=auth)


def test_only_who_was_given_its_root_trusts_it(proxy: RunningCaddy) -> None:
    assert proxy.ask("/").status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://localhost:{proxy.monitoring}/", verify=ssl.create_default_context())


@pytest.mark.parametrize("target", READERS)
def test_what_readers_need_passes_as_it_was_asked(
    proxy: RunningCaddy, upstream: Upstream, target: str
) -> None:
    answer = proxy.ask(target, {"X-Forwarded-Proto": "http", "X-Forwarded-For": "10.0.0.1"})
    assert (answer.status_code, answer.content) == (200, b"a page")
    assert upstream.heard[-1] == f"GET {target}"
    assert upstream.headers["Host"] == SITE
    assert upstream.headers["X-Forwarded-Proto"] == "https", "so it makes cookies for HTTPS alone"
    assert upstream.headers["X-Forwarded-For"] == "127.0.0.1", "not what a stranger says of themselves"


@pytest.mark.parametrize("target", CLOSED)
def test_what_is_for_developers_is_not_there_however_it_is_written(
    proxy: RunningCaddy, upstream: Upstream, target: str
) -> None:
    before = len(upstream.heard)
    assert proxy.ask(target).status_code == 404
    assert len(upstream.heard) == before


@pytest.mark.parametrize("target", VERSION)
def test_the_page_that_every_page_asks_for_tells_no_version(
    proxy: RunningCaddy, upstream: Upstream, target: str
) -> None:
    before = len(upstream.heard)
    assert proxy.ask(target).json() == {"label-studio-os-package": {}}
    assert len(upstream.heard) == before


def test_for_what_passes_in_odd_letters_label_studio_has_no_page(
    proxy: RunningCaddy, upstream: Upstream, label_studio_server: LabelStudioServer
) -> None:
    with httpx.Client(trust_env=False) as direct:
        for target in HARMLESS:
            assert proxy.ask(target).status_code == 200
            passed = upstream.heard[-1].partition(" ")[2].encode()
            page = direct.get(label_studio_server.url, extensions={"target": passed})
            assert page.status_code == 404, target
        own = direct.get(label_studio_server.url, extensions={"target": b"/x/%76ersion/"})
        assert own.status_code == 200, "else this asks wrongly"


def test_every_answer_carries_the_security_headers_once(proxy: RunningCaddy) -> None:
    answers = [proxy.ask(target) for target in ("/", "/metrics", "/api/version", "/broken")]
    answers += [monitoring(proxy, "/"), monitoring(proxy, "/x", PASSWORD)]
    assert [each.status_code for each in answers] == [200, 404, 200, 502, 401, 404]
    too_large = httpx.Headers(proxy.announce(LIMIT)[1].items())
    for headers in (*(each.headers for each in answers), too_large):
        assert headers["Strict-Transport-Security"] == "max-age=63072000"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers.get_list("X-Frame-Options") == ["SAMEORIGIN"]
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert {"Server", "X-Powered-By", "Alt-Svc"} & {name.title() for name in headers} == set()


def test_monitoring_opens_to_its_password_alone(proxy: RunningCaddy, upstream: Upstream) -> None:
    before = len(upstream.heard)
    refusals = [monitoring(proxy, path) for path in ("/", "/prometheus/graph", "/flower/workers", "/x")]
    refusals.append(monitoring(proxy, "/prometheus/graph", "wrong"))
    for refusal in refusals:
        assert refusal.status_code == 401
        assert refusal.headers["WWW-Authenticate"].startswith("Basic")
    assert len(upstream.heard) == before
    assert monitoring(proxy, "/", PASSWORD).headers["Location"] == "/prometheus/"
    for path in ("/prometheus/graph", "/flower/workers"):
        assert monitoring(proxy, path, PASSWORD).content == b"a page"
        assert upstream.heard[-1] == f"GET {path}"


def test_a_body_that_is_too_large_is_refused_by_its_head(proxy: RunningCaddy, upstream: Upstream) -> None:
    before = len(upstream.heard)
    for length in (LIMIT, LIMIT + 1, 10 * LIMIT, 10**15):
        assert proxy.announce(length)[0] == 413
    assert len(upstream.heard) == before
    assert proxy.announce(4, b"body")[0] == 200
    assert upstream.bodies[-1] == 4


def test_a_request_by_plain_http_is_sent_to_https(proxy: RunningCaddy, upstream: Upstream) -> None:
    before = len(upstream.heard)
    answer = httpx.get(
        f"http://127.0.0.1:{proxy.http}/projects/?tab=1", headers={"Host": SITE}, trust_env=False
    )
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"https://{SITE}/projects/?tab=1"
    assert len(upstream.heard) == before


def test_it_says_that_it_is_well_on_a_port_of_its_own(proxy: RunningCaddy) -> None:
    assert httpx.get(f"http://127.0.0.1:{proxy.health}/health", trust_env=False).status_code == 200


def test_no_secret_stands_in_its_log_not_even_where_an_answer_fails(
    proxy: RunningCaddy, upstream: Upstream
) -> None:
    secret = {"Authorization": "Token Headersecret", "Cookie": "sessionid=Cookiesecret"}
    secret["Referer"] = f"https://{SITE}/user/signup/?token=Referersecret"
    proxy.ask("/logged?token=Querysecret&%74oken=Querysecret", secret)
    assert upstream.headers["Authorization"] == "Token Headersecret"
    proxy.ask("/broken?token=Querysecret", secret)
    monitoring(proxy, "/flower/?token=Querysecret", PASSWORD)
    written = proxy.log.read_text()
    assert '"uri":"/logged"' in written
    assert '"status":502' in written
    assert [word for word in (*SECRETS, PASSWORD) if word in written] == []
