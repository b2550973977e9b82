"""Ports: whether one is free, looked at before anything starts, and who listens there."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

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
        free = _free_numbers(busy, {port.number for port in ports})
        options = " ".join(f"--{name.replace('_', '-')} {number}" for name, number in free.items())
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


def listener_of(number: int) -> str:
    """Who listens there, as far as this user may know."""
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == number and each.pid:
                return f"{psutil.Process(each.pid).name()} (process {each.pid})"
    except psutil.Error:
        pass
    return "another program"


def _free_numbers(busy: list[Port], ours: set[int]) -> dict[str, int]:
    """A free number by the setting of each busy port: none that a service of ours will want, none twice."""
    free: dict[str, int] = {}
    for port in busy:
        others = ours.union(free.values())
        near = (number for number in range(port.number + 1, 65536) if number not in others)
        free[port.setting] = next((number for number in near if is_free(port.host, number)), 0)
    return free


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
