"""Being asked to end, not by Ctrl-C: SIGTERM (cron, systemd, `kill`) and SIGHUP (a closed terminal)."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

POLITE = (signal.SIGTERM, signal.SIGHUP)
EXIT_CODE_OF_SIGNALS = 128
INTERRUPTED = EXIT_CODE_OF_SIGNALS + signal.SIGINT


class Endings:
    """Hears both signals and remembers with which exit code the command is to end."""

    def __init__(self) -> None:
        self._number = 0

    @property
    def exit_code(self) -> int:
        """As a shell counts them: 143 after SIGTERM, 129 after SIGHUP; 0 where none came."""
        return EXIT_CODE_OF_SIGNALS + self._number if self._number else 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Let both end the block as Ctrl-C does; one that is ignored, as under `nohup`, stays so."""
        is_main = threading.current_thread() is threading.main_thread()
        ours = [number for number in POLITE if is_main and signal.getsignal(number) is signal.SIG_DFL]
        try:
            for number in ours:
                signal.signal(number, self._hear)
            yield
        finally:
            for number in ours:
                signal.signal(number, signal.SIG_DFL)

    def _hear(self, number: int, _: FrameType | None) -> None:
        """Raise what Ctrl-C raises, once: the clean-up that follows is not to be disturbed."""
        if self._number:
            return
        self._number = number
        if number == signal.SIGHUP:
            _let_go_of_terminal()
        raise KeyboardInterrupt


def _let_go_of_terminal() -> None:
    """Nobody reads a closed one: each further word to it would be an error that hides why we end."""
    for descriptor in (1, 2):
        try:
            is_gone = stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor)
        except OSError:
            continue
        if is_gone:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
