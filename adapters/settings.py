"""Settings of a Sonoloop home, as a value. `adapters.environment` makes it.

Every setting has a default that works on one machine. Secrets lie in the home's `secrets.env`, readable by
its owner alone.
"""

from __future__ import annotations

import hashlib
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.home_files import PREFIX
from adapters.hosts import callable_host, is_wildcard

SOCKETS = Path("/tmp")  # noqa: S108, a folder in it is made private and checked  # nosec B108
LONGEST_SOCKET, SOCKET_BYTES = "supervisor.sock", 95
"""Of 104 to 108 bytes, as systems differ, the supervisor needs some for a name that it takes at first."""
PLAIN = re.compile(r"[\w./+@,~-]+", re.ASCII)
"""A path that means the same to a shell, in the supervisor's configuration and in an address."""

# The names that the trainer knows, which may not be imported here; a test compares them.
Strategy = Literal["boundary-entropy", "flip-disagreement", "random"]
RecipeName = Literal["auto", "fast", "general", "paper", "retinal", "thorough"]

REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")


class Settings(BaseSettings):
    """One frozen value that the composition root hands out."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    home: Path = Field(Path(".sonoloop"), description="Folder that holds all data.")
    host: str = Field("127.0.0.1", description="Address that Label Studio binds to.")
    backend_host: str = Field(
        "127.0.0.1", description="Address that the ML backend and the workers' figures bind to."
    )
    services: Literal["here", "elsewhere"] = Field(
        "here", description="here: `up` starts them; elsewhere: Docker or Kubernetes runs them."
    )
    label_studio_port: int = Field(8080, ge=1, le=65535, description="Port of Label Studio.")
    backend_port: int = Field(9090, ge=1, le=65535, description="Port of the ML backend.")
    label_studio_url: str = Field(
        "", repr=False, description="Label Studio's address; empty: the one started here."
    )
    label_studio_public_url: str = Field("", description="Address for readers' browsers; empty: the same.")
    backend_url: str = Field("", description="Address under which Label Studio reaches the ML backend.")
    database_url: str = Field(
        "", repr=False, description="SQLAlchemy address; empty: SQLite inside the home."
    )
    redis_url: str = Field(
        "", repr=False, description="Redis or Valkey address; empty: a server of our own on a socket."
    )
    storage_url: str = Field(
        "", repr=False, description="fsspec address of frames, masks and models; empty: the home."
    )
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
    recipe: RecipeName = Field(
        "auto", description="auto, fast, thorough, general, paper or retinal; auto: thorough."
    )
    image_size: int = Field(
        0,
        ge=0,
        multiple_of=32,
        description="Side the network sees, px, a multiple of 32; 0: the recipe's own.",
    )
    strategy: Strategy = Field(
        "boundary-entropy",
        description="Uncertainty that ranks the queue: boundary-entropy, flip-disagreement or random.",
    )
    random_share: float = Field(0.10, ge=0, le=1, description="Share of random frames in the queue.")
    blind_share: float = Field(0.05, ge=0, le=1, description="Share of frames served with nothing drawn.")
    held_out_fraction: float = Field(0.20, gt=0, lt=1, description="Share of clips held out for the gate.")
    score_limit: int = Field(2000, ge=1, description="Frames that are scored before a new model serves.")
    push_limit: int = Field(500, ge=1, description="Frames that are drawn before a new model serves.")
    label_studio_share: float = Field(
        0.5, gt=0, le=1, description="Share of its time that Label Studio is busy with our pushes and lists."
    )
    lease_seconds: int = Field(60, ge=5, description="How long a silent worker keeps its round.")
    hard_limit_seconds: int = Field(6 * 3600, ge=60, description="Longest training round.")
    reconcile_seconds: int = Field(30, ge=1, description="Seconds between two looks for missed changes.")
    sweep_seconds: int = Field(10, ge=1, description="Seconds between two looks for work that nobody holds.")
    metrics_port: int = Field(
        0, ge=0, le=65534, description="Port of a worker's own figures (train: the next one); 0: none."
    )
    threads: int = Field(
        0,
        ge=0,
        description="Threads of the numeric libraries; 0: as many as cores, or as a container may use.",
    )
    training_niceness: int = Field(
        19,
        ge=0,
        le=19,
        description="How far training gives way to all else on its machine, and drawing half as far: 19 "
        "wholly, 0 not at all.",
    )
    seed: int = Field(0, ge=0, description="Seed of splits, samplers and training.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error."
    )

    @field_validator(
        "label_studio_url", "label_studio_public_url", "backend_url", "database_url", "redis_url"
    )
    @classmethod
    def _has_a_port_if_any(cls, url: str) -> str:
        """Said here, by the setting's name: what a library says of an address may repeat its password."""
        try:
            _ = urlsplit(url).port
        except ValueError:
            raise ValueError("an address whose port, if it has one, is a number up to 65535") from None
        return url

    @field_validator("database_url")
    @classmethod
    def _is_the_same_everywhere(cls, url: str) -> str:
        """A relative path would be another file, and an empty database, in every folder."""
        if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_absolute():
            raise ValueError("an absolute path, with four slashes: sqlite:////PATH/TO/FILE")
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_of_redis(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in REDIS_SCHEMES:
            raise ValueError(f"an address that begins with one of {', '.join(REDIS_SCHEMES)}")
        return url

    @field_validator("storage_url")
    @classmethod
    def _is_within_reach(cls, url: str) -> str:
        if url:
            _check_store(url)
        return url

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
    def is_open_to_all(self) -> bool:
        """Whether Label Studio listens on every address of this machine, which is no address to call."""
        return is_wildcard(self.host)

    @property
    def has_own_label_studio(self) -> bool:
        """Whether this home starts a Label Studio itself."""
        return self.services == "here" and not self.label_studio_url

    @property
    def effective_label_studio_url(self) -> str:
        """Where our processes reach Label Studio."""
        return self.label_studio_url or f"http://{callable_host(self.host)}:{self.label_studio_port}"

    @property
    def effective_public_url(self) -> str:
        """Where a reader's browser reaches Label Studio."""
        return self.label_studio_public_url or self.effective_label_studio_url

    @property
    def effective_backend_url(self) -> str:
        """Where Label Studio reaches the ML backend."""
        return self.backend_url or f"http://{callable_host(self.backend_host)}:{self.backend_port}"

    @property
    def frames_dir(self) -> Path:
        """Label Studio's document root: normalised frames and nothing else."""
        return self.root / "frames"

    @property
    def socket_dir(self) -> Path:
        """A private folder for sockets, the same for every caller, whatever TMPDIR says: in the home where
        its path is short and plain enough, else beside those of other homes in /tmp.

        Where others run the services each host keeps its own, since several share a home.
        """
        own = self.root / "run" / "sockets"
        fits = len(os.fsencode(own / LONGEST_SOCKET)) <= SOCKET_BYTES and PLAIN.fullmatch(str(own))
        return own if fits and self.services == "here" else SOCKETS / self.identifier

    @property
    def identifier(self) -> str:
        """What tells this user's home from all others of the machine."""
        short = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return f"sonoloop-{os.getuid()}-{short}"

    def service_lock(self, name: str) -> Path:
        """The file that a service of this home holds while it lives, and that names its process."""
        return self.root / "run" / f"{name}.lock"

    @property
    def redis_socket(self) -> Path:
        """Where the launcher's own Redis listens."""
        return self.socket_dir / "redis.sock"


def _check_store(url: str) -> None:
    """Raises ValueError with what is needed where fsspec does not know the store or lacks its package."""
    from fsspec.registry import known_implementations, registry

    if url.startswith("s3://") and "@" in url:  # s3fs would pass it over, and errors repeat it
        raise ValueError(
            "an address without keys; they belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    protocols = [part.split("://")[0] for part in url.split("::")] if "://" in url else []
    for protocol in protocols:
        if protocol not in known_implementations and protocol not in registry:
            raise ValueError("an address of a kind that fsspec knows, such as s3://bucket/folder")
        package = known_implementations.get(protocol, {"class": "fsspec"})["class"].split(".")[0]
        if find_spec(package) is None:  # found, not imported: only who opens the store needs it
            raise ValueError(f"the Python package {package} for a {protocol}:// address, or another store")
