"""The proxy of docker-compose.yml as a plain process: its command, its environment and its Caddyfile, where
only ports are exchanged, and for an older Caddy what that does not know yet.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import httpx

from tests.machine import free_port, wait_until
from tests.services.compose import ROOT, Stand

SITE = "sonoloop.test"
PASSWORD = "Monitoring-pass-1"
OLDER = (("basic_auth {", "basicauth {"), ("\tpersist_config off\n", ""))
"""Before 2.8: the word for a password, and a switch that was not there."""


@dataclass(frozen=True)
class RunningCaddy:
    """`https` serves `SITE`, `http` leads there, `monitoring` is for localhost, `health` for the machine."""

    http: int
    https: int
    monitoring: int
    health: int
    root: Path
    log: Path

    def trust(self) -> ssl.SSLContext:
        """What a browser knows that was given the proxy's own root."""
        return ssl.create_default_context(cafile=str(self.root))

    def ask(self, target: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """The answer to a request of readers whose address goes out letter by letter as it stands here."""
        with httpx.Client(verify=self.trust(), trust_env=False, timeout=60) as client:
            return client.get(
                f"https://127.0.0.1:{self.https}/",
                headers={"Host": SITE, **(headers or {})},
                extensions={"target": target.encode(), "sni_hostname": SITE},
            )

    def announce(self, length: int, body: bytes = b"") -> tuple[int, Message]:
        """The status and the headers of the answer to a request whose body shall be so long and is `body`."""
        head = f"POST /api/projects/1/import HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: {length}\r\n\r\n"
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=60)
        with self.trust().wrap_socket(plain, server_hostname=SITE) as connection:
            connection.sendall(head.encode() + body)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.headers


@contextmanager
def running_caddy(config: dict[str, Any], caddy: Path, folder: Path, upstream: str) -> Iterator[RunningCaddy]:
    """The service `proxy` of a resolved docker-compose.yml before `upstream` (host:port), with all that it
    writes in `folder`, until the end of the block.
    """
    http_port, https, monitoring, health = (free_port() for _ in range(4))
    text = on_this_machine((ROOT / "deploy" / "Caddyfile").read_text(), http_port, https, health)
    (folder / "Caddyfile").write_text(adapted(text, caddy))
    config["services"]["proxy"]["environment"].update(
        SONOLOOP_LABEL_STUDIO_PUBLIC_URL=f"https://{SITE}",
        MONITORING_ADDRESS=f"https://localhost:{monitoring}",
        MONITORING_PASSWORD=PASSWORD,
        LABEL_STUDIO_ADDRESS=upstream,
        PROMETHEUS_ADDRESS=upstream,
        FLOWER_ADDRESS=upstream,
        CADDYFILE=str(folder / "Caddyfile"),
        XDG_DATA_HOME=str(folder / "data"),  # the volume; the image gives it
    )
    words = {"/deploy/proxy.sh": str(ROOT / "deploy" / "proxy.sh"), "/tmp": str(folder)}  # noqa: S108
    root = folder / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    with (folder / "proxy.log").open("wb") as log:
        path = f"{caddy.parent}:{os.environ['PATH']}"
        stand = Stand(config, {"127.0.0.1:8081": f"127.0.0.1:{health}"}, words, path, folder, log)
        running = RunningCaddy(http_port, https, monitoring, health, root, Path(log.name))
        stand.start("proxy")
        try:
            wait_until(lambda: is_up(stand, running), "Caddy", 30)
            yield running
        finally:
            stand.end()
            sys.stdout.write(running.log.read_text()[-3000:])


def is_up(stand: Stand, running: RunningCaddy) -> bool:
    """Whether its own health check finds it well, and it has its certificates."""
    if not stand.is_healthy("proxy"):
        return False
    try:
        return running.ask("/").status_code > 0
    except (httpx.TransportError, OSError):
        return False


def on_this_machine(text: str, http_port: int, https_port: int, health: int) -> str:
    """A Caddyfile on free ports of the loopback address."""
    own = f"\tdefault_bind 127.0.0.1\n\thttp_port {http_port}\n\thttps_port {https_port}\n"
    return put(put(text, "\tadmin off\n", f"\tadmin off\n{own}"), "127.0.0.1:8081", f"127.0.0.1:{health}")


def adapted(text: str, caddy: Path) -> str:
    """For the version of Caddy that is here; docker-compose.yml pins a later one."""
    said = subprocess.run([str(caddy), "version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"(\d+)\.(\d+)", said)
    assert number, said
    if (int(number[1]), int(number[2])) >= (2, 8):
        return text
    for word, older in OLDER:
        text = put(text, word, older)
    return text


def put(text: str, word: str, other: str) -> str:
    assert text.count(word) == 1, word
    return text.replace(word, other)
