"""The supervisor itself: supervisord, made to bear a full disk and to give no service up for good.

`python -m adapters.services.overseer FOLDER FILE` runs in that folder by that configuration until it is asked
to end.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from supervisor import loggers, supervisord
from supervisor.states import ProcessStates, SupervisorStates

REVIVE_SECONDS = 30.0
"""How long a service that failed again and again is left alone before its next tries."""


class PatientHandler(loggers.RotatingFileHandler):  # type: ignore[misc] # supervisor ships no types
    """Drops what the disk does not take: the original prints the error to a file on the same disk, and the
    supervisor dies of that.
    """

    stream: BinaryIO

    def handleError(self) -> None:  # noqa: N802, the library's name
        """A line that could not be written stays in the buffer or is lost."""

    def doRollover(self) -> None:  # noqa: N802, the library's name
        """Begin a new file where there is room for it, else go on with the old one."""
        try:
            super().doRollover()
        except (OSError, ValueError):  # a full disk; what it left closed
            if self.stream.closed:
                with suppress(OSError):
                    self.stream = Path(self.baseFilename).open("ab")  # noqa: SIM115, the handler keeps it


class Overseer(supervisord.Supervisor):  # type: ignore[misc] # supervisor ships no types
    """Tries a service that has failed for good again every half minute: what it lacked may be there now."""

    def tick(self, now: float | None = None) -> None:
        """What is done once a second."""
        super().tick(now)
        if self.options.mood == SupervisorStates.RUNNING:
            for group in self.process_groups.values():
                for process in group.processes.values():
                    self._revive(process)

    def _revive(self, process: Any) -> None:
        is_patient = 0 <= time.time() - process.laststart < REVIVE_SECONDS
        if process.get_state() == ProcessStates.FATAL and not is_patient:
            process.spawn()


def main(folder: str, configuration: str) -> None:
    """Supervise until asked to end; the configuration's paths are relative to the folder."""
    os.chdir(folder)
    loggers.RotatingFileHandler = PatientHandler
    supervisord.Supervisor = Overseer
    supervisord.main(["--configuration", configuration])


if __name__ == "__main__":
    main(*sys.argv[1:])
