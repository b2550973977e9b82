"""Busy ports are named before anything starts, with the setting that moves them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import pytest

from adapters.owners import is_held_by
from adapters.services.ports import Port, check_ports, is_free, listener_of
from loop.errors import BadRequest


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_busy_port_is_refused_with_the_setting_to_change(listener: socket.socket) -> None:
    number = listener.getsockname()[1]
    assert not is_free("127.0.0.1", number)
    with pytest.raises(BadRequest, match=f"port {number}.*label-studio.*--label-studio-port \\d+"):
        check_ports([Port("label-studio", "127.0.0.1", number, "label_studio_port")])


def test_a_listener_on_all_addresses_is_seen() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104, what is to be seen
        assert not is_free("127.0.0.1", server.getsockname()[1])


def test_a_suggested_port_is_none_that_another_service_of_ours_will_want(listener: socket.socket) -> None:
    number = listener.getsockname()[1]
    ports = [
        Port("label-studio", "127.0.0.1", number, "label_studio_port"),
        Port("backend", "127.0.0.1", number + 1, "backend_port"),
    ]
    with pytest.raises(BadRequest) as caught:
        check_ports(ports)
    suggested = re.findall(r"-port (\d+)", caught.value.todo)
    assert suggested
    assert not {str(port.number) for port in ports} & set(suggested)


def test_two_busy_ports_get_two_suggestions(listener: socket.socket) -> None:
    number = listener.getsockname()[1]
    ports = [Port(name, "127.0.0.1", number, f"{name}_port") for name in ("backend", "label_studio")]
    with pytest.raises(BadRequest) as caught:
        check_ports(ports)
    suggested = re.findall(r"-port (\d+)", caught.value.todo)
    assert len(set(suggested)) == 2


def test_free_ports_pass_unless_two_services_want_the_same(listener: socket.socket) -> None:
    number = listener.getsockname()[1]
    listener.close()
    check_ports([Port("backend", "127.0.0.1", number, "backend_port")])
    with pytest.raises(BadRequest, match="a port of its own"):
        check_ports([Port(name, "127.0.0.1", number, f"{name}_port") for name in ("backend", "other")])


def test_a_port_belongs_to_the_process_that_listens(listener: socket.socket) -> None:
    number = listener.getsockname()[1]
    assert is_held_by(os.getpid(), number)
    assert f"(process {os.getpid()})" in listener_of(number)
    assert not is_held_by(os.getppid(), number)
    with socket.create_connection(("127.0.0.1", number)) as guest:
        assert not is_held_by(os.getpid(), guest.getsockname()[1]), "a caller's port is none of a listener"
    listener.close()
    assert not is_held_by(os.getpid(), number)
