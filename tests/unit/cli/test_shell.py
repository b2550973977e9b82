from __future__ import annotations

import errno
import os
import signal
from contextlib import AbstractContextManager, nullcontext, suppress

import pytest

from cli.shell import console, guarded, say
from loop.errors import BadRequest


def test_an_error_of_ours_is_explained_in_lines_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, guarded():
        raise BadRequest("a [strange] thing", "another", "change it", project=3)
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "sonoloop: cannot go on",
        "  got:        a [strange] thing",
        "  need:       another",
        "  what to do: change it",
        "  concerns:   project 3",
    ]


def test_a_full_disk_is_explained_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, guarded():
        raise OSError(errno.ENOSPC, "No space left on device", "frames/x.png")
    assert ended.value.code == 1
    assert "No space left on device (frames/x.png)" in capsys.readouterr().err


def test_what_a_terminal_would_obey_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), guarded():
        raise BadRequest("a\x1b[2Jb\r\n  need: \u202efdp.exe [/]", "tabs\tstay, and so do Ärzte")
    assert capsys.readouterr().err.splitlines() == [
        "sonoloop: cannot go on",
        r"  got:        a\x1b[2Jb\r\n  need: \u202efdp.exe [/]",
        "  need:       tabs\tstay, and so do Ärzte".expandtabs(),
    ]


def test_the_end_of_a_log_stands_line_by_line_below_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), guarded():
        raise BadRequest("redis failed", todo="see redis.log:\nfirst \x1b[31mred\nlast")
    assert capsys.readouterr().err.splitlines()[-3:] == [
        "  what to do: see redis.log:",
        r"              first \x1b[31mred",
        "              last",
    ]


def test_ctrl_c_ends_with_130_and_says_what_becomes_of_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, guarded("the round goes on"):
        raise KeyboardInterrupt
    assert ended.value.code == 130
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


def test_a_line_is_printed_unbroken_and_without_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    say(console, "/a/long place:x:/" * 20)
    assert capsys.readouterr().out == "/a/long place:x:/" * 20 + "\n"


def test_a_mistake_in_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), guarded():
        raise ZeroDivisionError
