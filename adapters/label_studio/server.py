"""How the Label Studio process is run: headless, silent to the internet, its guard opened for us alone."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from adapters.home_files import read_env_file
from adapters.label_studio.inside.sonoloop_backend import LOCK, PORT
from adapters.settings import Settings
from loop.errors import BadRequest

INSIDE = Path(__file__).resolve().parent / "inside"
"""Modules of ours that run inside Label Studio's process."""

PYTHON = Path(__file__).resolve().parents[2] / ".venv-label-studio" / "bin" / "python"
"""Label Studio's pins clash with ours, so it lives in an environment of its own."""

BANNED = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "233.252.0.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:20::/28",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
)
"""The networks that Label Studio 1.23 refuses to call by default (private, loopback, reserved)."""

FLAGS = {"fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short": "true"}
"""Label Studio's switches for its newer code. Without this one a push of predictions, however small, counts
those of every task of the project anew: 7 s of a core at 10,000 tasks, in which readers wait.
"""

NOWHERE = "http://127.0.0.1:9"  # the discard port: refused at once

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def command(settings: Settings) -> list[str]:
    """The command line of the server; it migrates its database and makes the first account on the way up.

    Ready when `GET /health` answers. Where the port is taken it ends.
    """
    return [
        str(PYTHON),
        *("-P", "-m", "label_studio.server", "start", "--no-browser", "--enable-legacy-api-token"),
        "--debug",  # its only effect: without it Label Studio silently moves on to the next free port
        *("--internal-host", settings.host, "--port", str(settings.label_studio_port)),
    ]


def environment(settings: Settings) -> dict[str, str]:
    """What to lay over the inherited environment. PostgreSQL serves where DJANGO_DB=default and POSTGRE_* are
    inherited, else SQLite inside the home. Holds secrets. Raises BadRequest for a backend without an address.
    """
    return {
        "LABEL_STUDIO_BASE_DATA_DIR": str(settings.root / "label-studio"),
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(settings.frames_dir),
        "TASK_LOCK_TTL": str(settings.lock_minutes * 60),
        "PYTHONPATH": str(INSIDE),
        "DJANGO_SETTINGS_MODULE": "sonoloop_settings",
        # Without the cached bytecode a start takes half a minute instead of five seconds.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        **_accounts(settings),
        **FLAGS,
        **_silence(settings),
        **_guard(settings),
        **_backend(settings),
        **_public_address(settings),
    }


def _accounts(settings: Settings) -> dict[str, str]:
    drawn = read_env_file(settings.root / "secrets.env").get("LABEL_STUDIO_SECRET_KEY")
    key = {"SECRET_KEY": drawn} if drawn else {}  # else Label Studio draws its own and keeps it
    return {
        "LABEL_STUDIO_USERNAME": settings.admin_email,
        "LABEL_STUDIO_PASSWORD": settings.admin_password.get_secret_value(),
        "LABEL_STUDIO_USER_TOKEN": settings.label_studio_token.get_secret_value(),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "CORS_ALLOW_ALL_ORIGINS": "false",
        "LOG_LEVEL": "WARNING",  # a request's line holds the token of an invitation
        "LABEL_STUDIO_DEBUG": "false",  # a DEBUG of the person's own would switch on Django's
        **key,
    }


def _silence(settings: Settings) -> dict[str, str]:
    """No telemetry, error reports or version checks. The log-in page still makes the server ask GitHub for
    tips, which no setting turns off, and a reader may connect a webhook or a storage anywhere: its calls go
    nowhere, except to our own backend. An object store of the department's own may want plain HTTP. And it
    shows strangers the last commit of the repository that it is installed in, which need not be its own.
    """
    own_host = urlsplit(settings.effective_backend_url).hostname or ""
    plain = {} if settings.storage_url else {"HTTP_PROXY": NOWHERE, "http_proxy": NOWHERE}
    return {
        **plain,
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_SENTRY_DSN": "",
        "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
        "GIT_DIR": os.devnull,
        "HTTPS_PROXY": NOWHERE,
        "https_proxy": NOWHERE,
        "NO_PROXY": own_host,
        "no_proxy": own_host,
    }


def _guard(settings: Settings) -> dict[str, str]:
    """The guard against requests forged into our network stays on, with a hole for the backend alone."""
    closed = [str(network) for network in closed_networks(backend_addresses(settings))]
    return {
        "SSRF_PROTECTION_ENABLED": "true",
        "USE_DEFAULT_BANNED_SUBNETS": "false",
        "USER_ADDITIONAL_BANNED_SUBNETS": ",".join(closed),
    }


def _backend(settings: Settings) -> dict[str, str]:
    """What tells this home's backend from a stranger on its port, see `sonoloop_backend`; an address that was
    set is believed.
    """
    if settings.backend_url or settings.services != "here":
        return {}
    return {LOCK: str(settings.service_lock("backend")), PORT: str(settings.backend_port)}


def _public_address(settings: Settings) -> dict[str, str]:
    """Pages use relative addresses unless readers come through a public one; what more follows from it is
    settled by `sonoloop_addresses`, inside.
    """
    return {"LABEL_STUDIO_HOST": settings.label_studio_public_url}


def backend_addresses(settings: Settings) -> list[IPAddress]:
    """The addresses of the ML backend, which Label Studio must be able to call. Raises BadRequest."""
    host = urlsplit(settings.effective_backend_url).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise BadRequest(
            f"a backend address whose host {host!r} is unknown",
            "one that resolves",
            "set SONOLOOP_BACKEND_URL",
        ) from exc
    return sorted({ipaddress.ip_address(entry[4][0]) for entry in found}, key=str)


def closed_networks(opened: list[IPAddress]) -> list[IPNetwork]:
    """The banned networks less exactly the opened addresses; an address outside them changes nothing."""
    networks = [ipaddress.ip_network(text) for text in BANNED]
    for address in opened:
        networks = [part for network in networks for part in _without(network, address)]
    return networks


def _without(network: IPNetwork, address: IPAddress) -> list[IPNetwork]:
    if address not in network:
        return [network]
    return sorted(network.address_exclude(ipaddress.ip_network(address)))  # type: ignore[arg-type]
