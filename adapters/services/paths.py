"""Where supervision keeps its files: in the home, sockets elsewhere where its path is too long."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from adapters.settings import Settings
from loop.errors import Denied


@dataclass(frozen=True)
class Paths:
    """The files of one home's supervision."""

    settings: Settings

    @property
    def run(self) -> Path:
        """Configuration and locks."""
        return self.settings.root / "run"

    @property
    def logs(self) -> Path:
        """One log per service, and the supervisor's own."""
        return self.settings.root / "logs"

    @property
    def configuration(self) -> Path:
        """The supervisor's configuration, written at each start."""
        return self.run / "supervisord.conf"

    @property
    def start_lock(self) -> Path:
        """Held while somebody starts or stops the services."""
        return self.run / "start.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor while it lives."""
        return self.run / "supervisord.lock"

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.settings.socket_dir / "supervisor.sock"

    def lock(self, service: str) -> Path:
        """Held by the service while it lives."""
        return self.settings.service_lock(service)

    def log(self, service: str) -> Path:
        """What the service writes to its standard output and error."""
        return self.logs / f"{service}.log"

    def make_folders(self) -> None:
        """Make the folders. Raises Denied where the socket folder belongs to somebody else."""
        for folder in (self.settings.root, self.run, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.run.chmod(0o700)
        self.logs.chmod(0o700)
        _make_private(self.settings.socket_dir)


def _make_private(folder: Path) -> None:
    """Where everybody may write, the name may have been taken: by a link, or by another user."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise Denied(
            f"{folder} of user {status.st_uid}",
            "a folder of your own",
            "let its owner remove it, or choose another --home",
        )
    folder.chmod(0o700)
