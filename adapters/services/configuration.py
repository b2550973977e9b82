"""The supervisor's configuration as text: no secret stands in it, every program is started through `launch`.

The supervisor runs in the home, so paths are relative to it or come in through the environment: written out,
a ` #` or a percent sign in one of them would be read as a comment or as an expansion.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping

from pydantic import SecretStr

from adapters.environment import label_studio_database
from adapters.hosts import bare_address
from adapters.services.paths import Paths
from adapters.services.programs import PROJECT_ROOT, STOP_SECONDS, service_names
from adapters.settings import Settings

LOG_BYTES = "10MB"
LOG_BACKUPS = 3

HEAD = """\
; Written at each start; changes made here are lost. Settings: {settings}
[supervisord]
identifier={identifier}
nodaemon=true
silent=true
logfile=logs/supervisord.log
logfile_maxbytes={log_bytes}
logfile_backups={log_backups}
pidfile=run/supervisord.pid
childlogdir=logs
minfds=256
minprocs=10

[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket}
"""

# Only the service itself is asked to end (a training process is ended by its worker, which keeps the
# checkpoint); when its time is over, all that it started goes with it.
PROGRAM = """
[program:{name}]
command="%(ENV_LAUNCH_PYTHON)s" -m adapters.services.launch {name}
directory=%(ENV_LAUNCH_DIRECTORY)s
umask=077
priority={priority}
autostart=true
autorestart=true
startsecs=2
startretries=6
stopsignal=TERM
stopwaitsecs={stop_seconds}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes={log_bytes}
stdout_logfile_backups={log_backups}
"""


def render(settings: Settings) -> str:
    """The whole configuration: programs start in their order and stop in the reverse one."""
    head = HEAD.format(
        settings=_digest(settings_environment(settings) | _label_studio(settings)),
        identifier=settings.identifier,
        log_bytes=LOG_BYTES,
        log_backups=LOG_BACKUPS,
        socket=str(Paths(settings).socket).replace("%", "%%"),
    )
    ordered = enumerate(service_names(settings), start=1)
    return head + "".join(_render_program(name, 10 * place) for place, name in ordered)


def expansions() -> Mapping[str, str]:
    """The variables that the configuration refers to, for the supervisor's environment, and one for speed."""
    return {
        "LAUNCH_PYTHON": sys.executable,
        "LAUNCH_DIRECTORY": str(PROJECT_ROOT),
        # Without cached bytecode every start and every training process compiles torch and the rest anew.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, so that every service sees the same; secrets stay in their file and are left
    out.
    """
    fields = {name: value for name, value in settings if name != "home" and not isinstance(value, SecretStr)}
    return {"SONOLOOP_HOME": str(settings.root)} | {
        f"SONOLOOP_{name.upper()}": str(value) for name, value in fields.items()
    }


def _label_studio(settings: Settings) -> dict[str, str]:
    """Where the Label Studio that is started here has its database; it inherits the variables that say so."""
    is_ours = settings.has_own_label_studio
    return {"label-studio": bare_address(label_studio_database(settings.root))} if is_ours else {}


def _digest(values: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:16]


def _render_program(name: str, priority: int) -> str:
    return PROGRAM.format(
        name=name,
        priority=priority,
        stop_seconds=STOP_SECONDS[name],
        log_bytes=LOG_BYTES,
        log_backups=LOG_BACKUPS,
    )
