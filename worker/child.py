"""The training process as a worker starts it: `python -m worker.child JOB.json NICENESS` is `python -m
trainer.run JOB.json` that gives way to the services of this machine and does not outlive its worker.

The worker keeps the other end of stdin open and writes nothing; when it dies, however it dies, the pipe ends.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

from trainer.processes import die_with_parent

STOP_SECONDS = 5.0
"""Between the request to end and the end by force: enough for most steps, and a cancel takes 10 s at most."""
OOM_SCORE = 500


def main(arguments: list[str]) -> None:
    """Train the job whose file is named, that much less urgent than this process was started; exits as
    `trainer.run` does.
    """
    job, niceness = arguments
    give_way(int(niceness))
    die_with_parent()
    threading.Thread(target=end_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    sys.argv = ["trainer.run", job]
    runpy.run_module("trainer.run", run_name="__main__", alter_sys=True)


def give_way(niceness: int) -> None:
    """Let the services have the processor first, the more the higher `niceness` (0 to 19), and memory too:
    training can be tried again, a reader's page not.
    """
    os.nice(niceness)
    score = Path("/proc/self/oom_score_adj")  # Linux only
    if score.exists():
        score.write_text(str(OOM_SCORE))


def end_with_parent(descriptor: int) -> None:
    """Wait until the pipe ends, then end this process as a stop request would, at the latest by force."""
    while os.read(descriptor, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
