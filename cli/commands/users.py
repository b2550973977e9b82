"""Readers' accounts."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.options import Home
from cli.shell import guarded

users = typer.Typer(help="Readers' accounts.", no_args_is_help=True)


@users.command(name="add")
@guarded("if the account was made, `user list` shows it")
def add_user(
    email: Annotated[str, typer.Argument(help="With which the reader will log in.")],
    password_from_stdin: Annotated[
        bool,
        typer.Option("--password-from-stdin", help="Its first line is the password."),
    ] = False,
    home: Home = None,
) -> None:
    """Make a reader's account, and print its password once."""
    from cli.users import add_user

    add_user(home, email, password_from_stdin)


@users.command(name="reset")
@guarded("the password may be the new one already; the same command draws another")
def reset_user(
    email: Annotated[str, typer.Argument(help="Of an account that `user list` shows.")],
    password_from_stdin: Annotated[
        bool,
        typer.Option("--password-from-stdin", help="Its first line is the password."),
    ] = False,
    home: Home = None,
) -> None:
    """Give an account a new password, print it once, and end its sessions."""
    from cli.users import reset_user

    reset_user(home, email, password_from_stdin)


@users.command(name="disable")
@guarded("the account may be disabled already, `user list` shows it")
def disable_user(
    email: Annotated[str, typer.Argument(help="Of an account that `user list` shows.")], home: Home = None
) -> None:
    """Let nobody in by an account any more, and end its sessions; its labels stay."""
    from cli.users import disable_user

    disable_user(home, email)


@users.command(name="list")
@guarded()
def list_users(home: Home = None) -> None:
    """List the accounts, and when each was last seen."""
    from cli.users import list_users

    list_users(home)
