"""Settings of a Sonoloop home: the only module that reads the environment.

Every setting has a default that works on one machine; a variable `SONOLOOP_<NAME>`, or such a line in the
home's `sonoloop.env`, overrides it. Secrets lie in the home's `secrets.env`, readable by its owner alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from loop.errors import BadRequest

PREFIX = "SONOLOOP_"
SETTINGS_FILE, SECRETS_FILE = "sonoloop.env", "secrets.env"
FOR_TESTS = frozenset({"SONOLOOP_DATA"})


class Settings(BaseSettings):
    """One frozen value that the composition root hands out."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    home: Path = Field(Path(".sonoloop"), description="Folder that holds all data.")
    host: str = Field("127.0.0.1", description="Address that Label Studio and the ML backend bind to.")
    label_studio_port: int = Field(8080, ge=1, le=65535, description="Port of Label Studio.")
    backend_port: int = Field(9090, ge=1, le=65535, description="Port of the ML backend.")
    label_studio_url: str = Field("", description="Label Studio's address; empty: the one started here.")
    label_studio_public_url: str = Field("", description="Address for readers' browsers; empty: the same.")
    backend_url: str = Field("", description="Address under which Label Studio reaches the ML backend.")
    database_url: str = Field("", description="SQLAlchemy address; empty: SQLite inside the home.")
    redis_url: str = Field("", description="Redis or Valkey address; empty: a server of our own on a socket.")
    storage_url: str = Field("", description="fsspec address of frames, masks and models; empty: the home.")
    admin_email: str = Field("admin@sonoloop.local", description="Label Studio's first account.")
    admin_password: SecretStr = Field(SecretStr(""), description="Its password.")
    label_studio_token: SecretStr = Field(SecretStr(""), description="Token for Label Studio's API.")
    backend_user: str = Field("label-studio", description="User name of the ML backend's basic auth.")
    backend_password: SecretStr = Field(SecretStr(""), description="Password of the ML backend's basic auth.")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Secret that webhooks carry.")
    salt: SecretStr = Field(SecretStr(""), description="Secret behind the pseudonyms of clips and patients.")
    lock_minutes: int = Field(30, ge=1, description="How long a served task stays with its reader.")
    min_new_labels: int = Field(20, ge=1, description="New trainable masks that start a round.")
    min_growth: float = Field(0.10, ge=0, description="Or this growth since the last round, if larger.")
    recipe: str = Field("auto", description="Training recipe; auto: fast on a CPU, paper on a GPU.")
    image_size: int = Field(0, ge=0, description="Side the network sees, px; 0: the recipe's own.")
    strategy: str = Field("boundary-entropy", description="Uncertainty that ranks the queue.")
    random_share: float = Field(0.10, ge=0, le=1, description="Share of random frames in the queue.")
    blind_share: float = Field(0.05, ge=0, le=1, description="Share of frames served with nothing drawn.")
    held_out_fraction: float = Field(0.20, gt=0, lt=1, description="Share of clips held out for the gate.")
    score_limit: int = Field(2000, ge=1, description="Frames that are scored before a new model serves.")
    push_limit: int = Field(500, ge=1, description="Frames that are drawn before a new model serves.")
    lease_seconds: int = Field(60, ge=5, description="How long a silent worker keeps its round.")
    hard_limit_seconds: int = Field(6 * 3600, ge=60, description="Longest training round.")
    reconcile_seconds: int = Field(30, ge=1, description="Seconds between two looks for missed changes.")
    sweep_seconds: int = Field(10, ge=1, description="Seconds between two looks for work that nobody holds.")
    threads: int = Field(0, ge=0, description="Threads of the numeric libraries; 0: as many as cores.")
    seed: int = Field(0, ge=0, description="Seed of splits, samplers and training.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error."
    )

    @property
    def root(self) -> Path:
        """The home as an absolute path."""
        return self.home.expanduser().absolute()

    @property
    def effective_database_url(self) -> str:
        """The database that is used: the setting, or SQLite inside the home."""
        return self.database_url or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """Where SQLite keeps the database, unless another one is set."""
        return self.root / "db" / "sonoloop.sqlite3"

    @property
    def effective_redis_url(self) -> str:
        """The broker that is used: the setting, or the launcher's own server on its socket."""
        return self.redis_url or f"redis+socket://{self.redis_socket}"

    @property
    def effective_label_studio_url(self) -> str:
        """Where our processes reach Label Studio."""
        return self.label_studio_url or f"http://{self.host}:{self.label_studio_port}"

    @property
    def effective_public_url(self) -> str:
        """Where a reader's browser reaches Label Studio."""
        return self.label_studio_public_url or self.effective_label_studio_url

    @property
    def effective_backend_url(self) -> str:
        """Where Label Studio reaches the ML backend."""
        return self.backend_url or f"http://{self.host}:{self.backend_port}"

    @property
    def frames_dir(self) -> Path:
        """Label Studio's document root: normalised frames and nothing else."""
        return self.root / "frames"

    @property
    def socket_dir(self) -> Path:
        """A short private folder for sockets, whose paths are limited to about 100 characters."""
        short = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sonoloop-{os.getuid()}-{short}"

    @property
    def redis_socket(self) -> Path:
        """Where the launcher's own Redis listens."""
        return self.socket_dir / "redis.sock"


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


def _checked(**values: Any) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as exc:
        faults = [f"{variable_name(str(each['loc'][0]))} ({each['msg']})" for each in exc.errors()]
        todo = f"mend the environment, or {SETTINGS_FILE} in the home"
        raise BadRequest(f"a setting that does not fit: {', '.join(faults)}", todo=todo) from exc


def variable_name(setting: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{setting.upper()}"


def unknown_variables(root: Path) -> list[str]:
    """Variables of the environment and of the home's `sonoloop.env` that look like settings and are none."""
    names = {*os.environ, *read_env_file(root / SETTINGS_FILE)}
    known = {variable_name(name) for name in Settings.model_fields} | FOR_TESTS
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def remember_settings(root: Path, values: Mapping[str, object]) -> None:
    """Keep settings in the home's `sonoloop.env`, where later commands find them; its other lines stay."""
    path = root / SETTINGS_FILE
    ours = {variable_name(name): value for name, value in values.items()}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [line for line in lines if line.split("=", 1)[0].strip() not in ours]
    lines += [f"{name}={value}" for name, value in ours.items()]
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(path)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a file; comments and blank lines are passed over; a missing file is empty."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


def process_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The present environment with `extra` laid over it, for a child process."""
    return {**os.environ, **extra}
