from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from types import FrameType

import pytest

from cli.shell import console, guarded, say
from loop.errors import BadRequest


def raised(error: BaseException, *guard: str) -> int | str | None:
    """The exit code of a command that meets this error."""

    @guarded(*guard)
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        command()
    return ended.value.code


def test_an_error_of_ours_is_explained_in_lines_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert raised(BadRequest("a [strange] thing", "another", "change it", project=3)) == 1
    assert capsys.readouterr().err.splitlines() == [
        "sonoloop: cannot go on",
        "  got:        a [strange] thing",
        "  need:       another",
        "  what to do: change it",
        "  concerns:   project 3",
    ]


def test_a_full_disk_is_explained_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert raised(OSError(errno.ENOSPC, "No space left on device", "frames/x.png")) == 1
    assert "No space left on device (frames/x.png)" in capsys.readouterr().err


def test_what_a_terminal_would_obey_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    raised(BadRequest("a\x1b[2Jb\r\n  need: \u202efdp.exe [/]", "tabs\tstay, and so do Ärzte"))
    assert capsys.readouterr().err.splitlines() == [
        "sonoloop: cannot go on",
        r"  got:        a\x1b[2Jb\r\n  need: \u202efdp.exe [/]",
        "  need:       tabs\tstay, and so do Ärzte".expandtabs(),
    ]


def test_the_end_of_a_log_stands_line_by_line_below_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    raised(BadRequest("redis failed", todo="see redis.log:\nfirst \x1b[31mred\nlast"))
    assert capsys.readouterr().err.splitlines()[-3:] == [
        "  what to do: see redis.log:",
        r"              first \x1b[31mred",
        "              last",
    ]


def test_ctrl_c_ends_with_130_and_says_what_becomes_of_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert raised(KeyboardInterrupt(), "the round goes on") == 130
    assert "stopped; the round goes on" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("manner", [nullcontext(), suppress(KeyboardInterrupt)], ids=["plain", "follow"])
def test_asked_to_end_a_command_is_interrupted_and_its_code_says_by_what(
    number: signal.Signals, manner: AbstractContextManager[None]
) -> None:
    """Also one that takes an interrupt for its end, such as `logs --follow`."""

    @guarded()
    def wait() -> None:
        with manner:
            os.kill(os.getpid(), number)
            signal.pause()

    with pytest.raises(SystemExit) as ended:
        wait()
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def ended_at(moment: int) -> int | str | None:
    """The exit code of a command that SIGTERM asks to end at one of the moments in which Python looks for
    signals, counted from when it is heard; None where the command was over by then.
    """
    heard = 0

    def ask(_frame: FrameType, event: str, _of: object) -> None:
        nonlocal heard
        if event not in ("call", "c_return") or signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            return
        heard += 1
        if heard == moment + 1:
            signal.raise_signal(signal.SIGTERM)

    @guarded()
    def command() -> None:
        """Over at once: every moment is one of the guard's own."""

    before = sys.getprofile()
    try:
        sys.setprofile(ask)
        command()
    except SystemExit as ended:
        return ended.code
    except KeyboardInterrupt:
        return "as by Ctrl-C"
    finally:
        sys.setprofile(before)
    return None


def test_there_is_no_moment_in_which_sigterm_is_taken_for_ctrl_c() -> None:
    """Not that between the guard and the command either."""
    codes = [ended_at(moment) for moment in range(60)]
    moments = codes.index(None)
    assert moments > 8
    assert set(codes[:moments]) == {128 + signal.SIGTERM}


def test_a_line_is_printed_unbroken_and_without_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    say(console, "/a/long place:x:/" * 20)
    assert capsys.readouterr().out == "/a/long place:x:/" * 20 + "\n"


def test_a_mistake_in_the_program_is_not_hidden() -> None:
    @guarded()
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
