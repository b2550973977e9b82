"""The outermost shell of the command: where errors become sentences and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from rich.console import Console
from rich.progress import Progress, ProgressColumn

from cli.endings import INTERRUPTED, Endings
from cli.markup import escape
from loop.errors import SonoloopError

# Without emoji: a path or a password with ":x:" in it must be printed as it is.
console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)

FAILED = 1
RESUMES = "nothing is lost: the same command goes on where it was"


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Command = Callable[Parameters, Result]


def guarded(
    when_interrupted: str = RESUMES,
) -> Callable[[Command[Parameters, Result]], Command[Parameters, Result]]:
    """Guard a command: a foreseeable error ends it with exit code 1 and what to do, Ctrl-C with 130.

    SIGTERM and SIGHUP end it as Ctrl-C does, with 143 and 129, also where the command takes that for its end.
    """

    def guard(command: Command[Parameters, Result]) -> Command[Parameters, Result]:
        @wraps(command)
        def run(*words: Parameters.args, **options: Parameters.kwargs) -> Result:
            return _guard(lambda: command(*words, **options), when_interrupted)

        return run

    return guard


def _guard(command: Callable[[], Result], when_interrupted: str) -> Result:
    # It calls the command and is not entered before it, as a context manager would be: a signal that came
    # when that one had been entered and its block had not begun would pass it by, and end as Ctrl-C does.
    endings = Endings()
    try:
        with endings.heard():
            result = command()
        if endings.exit_code:
            sys.exit(endings.exit_code)
        return result
    except SonoloopError as error:
        _explain(error)
        sys.exit(FAILED)
    except OSError as error:
        reason = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
        todo = "mend that, then start the same command again; nothing that was kept is lost"
        _explain(SonoloopError(reason, "files and folders of your own, and room on the disk", todo))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        say(errors, f"\nstopped; {when_interrupted}")
        sys.exit(endings.exit_code or INTERRUPTED)


def say(to: Console, line: str) -> None:
    """Print a line of markup unbroken: terminals wrap it themselves, and paths in it can be copied."""
    to.print(line, soft_wrap=True)


def progress(*columns: ProgressColumn) -> Progress:
    """Bars while a command works, gone afterwards; in a file or a pipe nothing, not even an empty line."""
    return Progress(*columns, console=console, transient=True, disable=not console.is_interactive)


def _explain(error: SonoloopError) -> None:
    """Write what was got, what was needed and what to do on a line each, as the launcher does."""
    ids = ", ".join(f"{name} {value}" for name, value in error.ids.items())
    parts = {"got": error.got, "need": error.need, "what to do": error.todo, "concerns": ids}
    say(errors, "[bold red]sonoloop: cannot go on[/]")
    for name, text in parts.items():
        if text:
            say(errors, f"  {name + ':':<11} {_shown(text) if name == 'what to do' else escape(text)}")


def _shown(todo: str) -> str:
    """What to do is in words of ours, but for the end of a log below them, whose lines stay lines."""
    return f"\n{' ' * 14}".join(escape(line) for line in todo.splitlines())
