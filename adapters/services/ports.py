"""Ports looked at before anything starts: Label Studio silently takes the next port when its own is busy."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from loop.errors import BadRequest


@dataclass(frozen=True)
class Port:
    """A port that a service of ours will listen on, and the setting (and option of `up`) that moves it."""

    service: str
    host: str
    number: int
    setting: str


def check_ports(ports: list[Port]) -> None:
    """Raises BadRequest naming every busy port and the setting to change; nothing was started then."""
    busy = [port for port in ports if not is_free(port.host, port.number)]
    if busy:
        options = " ".join(f"--{port.setting.replace('_', '-')} {_free_number(port)}" for port in busy)
        raise BadRequest(
            "; ".join(f"port {port.number} (for {port.service}) in use by another program" for port in busy),
            "a free port for each service",
            f"end that program, or choose another port, for instance {options}",
        )
    numbers = [port.number for port in ports]
    if len(set(numbers)) < len(numbers):
        raise BadRequest(f"ports {numbers}", "a port of its own for each service", "change one of them")


def is_free(host: str, number: int) -> bool:
    """Whether nobody listens there and this user may bind it."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((host, number)) == 0:  # on macOS a bind would pass beside 0.0.0.0
            return False
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True


def _free_number(port: Port) -> int:
    return next(
        (n for n in range(port.number + 1, port.number + 200) if n < 65536 and is_free(port.host, n)), 0
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
