"""Hosts and addresses as settings name them: what is bound there, and by what it is reached."""

from __future__ import annotations

from ipaddress import ip_address


def is_wildcard(host: str) -> bool:
    """Whether it stands for every address of this machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return not host


def callable_host(host: str) -> str:
    """The host by which this machine reaches what is bound to that one, as it stands in an address."""
    if is_wildcard(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound there; a name but `localhost` may mean anything."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def bare_address(url: str) -> str:
    """Where it leads: the address without driver, user, password and options.

    Whoever opens it takes all before the last @ for the user and password, with any / ? and # in it.
    """
    scheme, _, rest = url.partition("://")
    scheme = scheme.split("+")[0]
    place = rest if scheme == "sqlite" else rest.rpartition("@")[2]
    return f"{scheme}://{place.partition('?')[0]}"
