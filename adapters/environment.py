"""Makes the settings from the environment, which nobody else reads but pydantic, and that for them.

A variable `SONOLOOP_<NAME>`, or such a line in the home's `sonoloop.env`, overrides a default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from adapters.home_files import PREFIX, SECRETS_FILE, SETTINGS_FILE, read_env_file, variable_name
from adapters.settings import Settings
from loop.errors import BadRequest

FOR_TESTS = frozenset({"SONOLOOP_DATA"})
ALIKE = 0.75
"""How like a setting a name must be, of 1, to be taken for a slip of the pen."""

KINDS: Mapping[object, str] = {int: "a whole number", float: "a number"}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of"}


def load_settings(home: Path | None = None, **overrides: object) -> Settings:
    """Read the environment once. `home` and keyword overrides win over it; the home's `secrets.env` and
    `sonoloop.env` fill what it leaves open. Raises BadRequest for a value that does not fit.
    """
    base = _checked(**({"home": home} if home else {}), **overrides)
    stored: dict[str, str] = {}
    for name in (SETTINGS_FILE, SECRETS_FILE):
        stored.update(read_env_file(base.root / name))
    missing = {
        key.removeprefix(PREFIX).lower(): value
        for key, value in stored.items()
        if key.startswith(PREFIX) and key not in os.environ
    }
    known = {key: value for key, value in missing.items() if key in Settings.model_fields and key != "home"}
    return _checked(home=base.home, **{**known, **overrides})


def load_usable_settings(home: Path | None = None) -> tuple[Settings, BadRequest | None]:
    """The settings, with defaults where values do not fit, and what was said of those; None: all fit."""
    replaced: dict[str, object] = {}
    first: BadRequest | None = None
    while True:
        try:
            return load_settings(home, **replaced), first
        except BadRequest as refused:
            if not isinstance(refused.__cause__, ValidationError):
                raise
            first = first or refused
            faulty = [str(each["loc"][0]) for each in refused.__cause__.errors()]
            replaced |= {name: Settings.model_fields[name].default for name in faulty}


def label_studio_database(root: Path) -> str:
    """The address of Label Studio's own database, by the variables that it reads itself."""
    if _read_by_label_studio("DJANGO_DB", "sqlite") not in ("default", "postgresql"):
        return f"sqlite:///{root / 'label-studio' / 'label_studio.sqlite3'}"
    user, password, name = (
        quote(_read_by_label_studio(f"POSTGRE_{each}", "postgres"), safe="")
        for each in ("USER", "PASSWORD", "NAME")
    )
    host = _read_by_label_studio("POSTGRE_HOST", "localhost")
    port = _read_by_label_studio("POSTGRE_PORT", "5432")
    return f"postgresql://{user}:{password}@{host}:{port}/{name}"


def _read_by_label_studio(name: str, default: str) -> str:
    """A variable by the names under which Label Studio looks for it, or its own default."""
    names = (f"LABEL_STUDIO_{name}", f"HEARTEX_{name}", name)
    return next((os.environ[each] for each in names if each in os.environ), default)


def process_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The present environment with `extra` laid over it, for a child process."""
    return {**os.environ, **extra}


def unknown_variables(root: Path) -> list[str]:
    """Variables of the environment and of the home's `sonoloop.env` that look like settings and are none."""
    names = {*os.environ, *read_env_file(root / SETTINGS_FILE)}
    known = {variable_name(name) for name in Settings.model_fields} | FOR_TESTS
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def nearest_setting(variable: str) -> str | None:
    """The variable that was probably meant; a secret is never named, since it is not set by hand."""
    fields = Settings.model_fields.items()
    names = [name for name, field in fields if field.annotation is not SecretStr]
    near = get_close_matches(variable.removeprefix(PREFIX).lower(), names, 1, ALIKE)
    return variable_name(near[0]) if near else None


def _checked(**values: Any) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as exc:
        faults = {variable_name(str(each["loc"][0])): _need(each) for each in exc.errors()}
        raise BadRequest(  # without the values: a password may stand in the wrong line
            f"a value that does not fit for {' and '.join(faults)}",
            "; ".join(f"{name}: {need}" for name, need in faults.items()),
            f"mend the variable in the environment, or its line in {SETTINGS_FILE} of the home",
        ) from exc


def _need(fault: ErrorDetails) -> str:
    """What the setting takes, in our words."""
    if fault["type"] == "value_error":  # raised by a check of our own
        return str(fault["ctx"]["error"])
    field = Settings.model_fields[str(fault["loc"][0])]
    if choices := get_args(field.annotation):
        return f"one of {', '.join(choices)}"
    limits = [
        f"{words} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, words in BOUNDS.items()
        if hasattr(bound, name)
    ]
    return ", ".join([KINDS.get(field.annotation, "text"), *limits])
