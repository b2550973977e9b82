"""Making a project: its row, its base weights, its twin in Label Studio; every step may be repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.bootstrap import Container
from adapters.formats.truth import ClassMap
from adapters.label_studio.config import label_config
from adapters.label_studio.provision import (
    TITLE_LENGTH,
    BackendPlan,
    ProjectPlan,
    ensure_backend,
    ensure_frames,
    ensure_project,
)
from adapters.settings import Settings
from cli.elsewhere import home_key
from cli.markup import escape
from cli.shell import console, say
from loop.class_names import is_undecided
from loop.errors import BadRequest, NotFound
from loop.records import Project
from loop.serving import put_into_service
from trainer.channels import channel_sources, require_sources
from trainer.job import check_base, check_start
from trainer.recipe_files import AUTO, read_recipe, resolve_recipe
from trainer.recipes import Recipe
from trainer.weights import read_description

BASE_WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "base-v0.safetensors"
WITHOUT_FILE = ("scratch", "imagenet")


@dataclass(frozen=True)
class ProjectRequest:
    """What a person asks for. `weights` is "base", "scratch", "imagenet" or a file; `settings` are kept."""

    title: str
    classes: ClassMap
    weights: str
    settings: Mapping[str, Any]

    @property
    def weight_file(self) -> Path:
        """Where the weights lie that it begins with; without meaning where there is no file."""
        return BASE_WEIGHTS if self.weights == "base" else Path(self.weights)

    def unknown_classes(self) -> list[str]:
        """The classes that its weights do not know, which nothing draws before they were taught; without a
        file none is named. Raises BadWeights, NotFound.
        """
        if self.weights in WITHOUT_FILE:
            return []
        known, prior = read_description(self.weight_file)["classes"], self.settings.get("prior") or None
        sources = channel_sources(known, self.classes.names, prior)
        return [name for name, each in zip(self.classes.names, sources, strict=True) if each is None]

    def undecided_class(self) -> str | None:
        """The only class of its weights, where it may be any of the project's: then nothing is proposed
        before the first training (see `serving.proposes_nothing`). Raises BadWeights, NotFound.
        """
        if self.weights in WITHOUT_FILE:
            return None
        known = read_description(self.weight_file)["classes"]
        return known[0] if is_undecided(known, self.classes.names, self.settings.get("prior")) else None

    def check(self, settings: Settings | None = None) -> None:
        """Raises BadRequest for a wish that cannot be granted, BadWeights for a file that cannot serve it,
        before anything is started or stored.

        `settings` are those of the home, by which it trains where the wish names no recipe. Without them such
        a wish is not held against its weights.
        """
        label_config(self.classes.names)
        shortest, longest = TITLE_LENGTH
        if not shortest <= len(self.title) <= longest:
            got = f"a title of {len(self.title)} characters"
            raise BadRequest(got, f"{shortest} to {longest}", "mend --title")
        prior = self.settings.get("prior")
        if prior and prior not in self.classes.names:
            raise BadRequest(
                f"the prior class {prior!r}", f"one of {', '.join(self.classes.names)}", "mend --prior"
            )
        if self.weights not in ("base", *WITHOUT_FILE) and not Path(self.weights).is_file():
            raise BadRequest(
                "a weight file that does not exist", "a file, base, imagenet or scratch", "mend --weights"
            )
        recipe, size = (settings.recipe, settings.image_size) if settings else (AUTO, 0)
        recipe_of_rounds = resolve_recipe(self.settings, recipe, size)
        if settings or self.settings.get("recipe"):
            self._check_weights_for(recipe_of_rounds)
        if self.weights not in WITHOUT_FILE:
            known = read_description(self.weight_file)["classes"]
            require_sources(known, self.classes.names, prior or None)

    def _check_weights_for(self, recipe: Recipe) -> None:
        check_start(recipe, None if self.weights == "scratch" else self.weights)
        if self.weights not in WITHOUT_FILE:
            check_base(recipe, read_description(self.weight_file)["network"])


def kept_recipe(wanted: str, size: int) -> str | dict[str, Any]:
    """What a project keeps of its recipe: a name, nothing where the machine decides, or all of a file's, with
    the side `size` where that is not 0. Raises BadRequest for a file that is no recipe.
    """
    if not wanted.endswith(".json"):
        return "" if wanted == AUTO else wanted
    recipe = read_recipe(Path(wanted))
    return (replace(recipe, size=size) if size else recipe).to_dict()


def make_project(container: Container, request: ProjectRequest) -> Project:
    """Store the project with version 0 as its champion, all or nothing. Raises BadRequest, BadWeights."""
    request.check(container.settings)
    _say_what_is_not_proposed(request)
    digest, origin, config = _version_zero(container, request)
    now = container.clock()
    with container.database.write() as uow:
        settings = {
            **request.settings,
            "weights": request.weights if request.weights in WITHOUT_FILE else origin,
            "home": home_key(container.settings),
        }
        project = uow.projects.add(request.title, request.classes.names, settings)
        version = uow.models.add(
            project.id, digest=digest, round_id=None, origin=origin, config=config, metrics={}, now=now
        )
        put_into_service(uow, project.id, version.id, now)
        project = uow.projects.get(project.id)
        uow.commit()
    return project


def _say_what_is_not_proposed(request: ProjectRequest) -> None:
    unknown, names = request.unknown_classes(), request.classes.names
    if known := request.undecided_class():
        got = f"the weights draw one class, {escape(known)}, which may be any of {escape(', '.join(names))}"
        say(console, f"[yellow]nothing is proposed before the first own model serves[/]: {got}")
        say(console, "  frames come in the order of these weights all the same, and training begins there")
        say(console, "  to have what they draw proposed as one class: another --home, with --prior CLASS")
    elif unknown:
        line = "not known to its weights, so drawn from the first training on"
        say(console, f"{line}: {escape(', '.join(unknown))}")


def connect_project(container: Container, project: Project) -> Project:
    """Make or repair the project in Label Studio with frames, backend and webhook.

    Raises Unavailable, NotFound when somebody deleted it there.
    """
    settings = container.settings
    with container.database.read() as uow:
        version = uow.models.get(project.champion_id or 0)
    plan = project_plan(settings, project, version.name)
    try:
        remote = ensure_project(container.label_studio_api, plan, project.label_studio_id)
    except NotFound as exc:
        raise NotFound(
            f"project {project.id}, whose twin {project.label_studio_id} was deleted in Label Studio",
            "the twin",
            "every mask is still here: ./sonoloop export DIR takes them out; begin anew with another --home",
        ) from exc
    if remote != project.label_studio_id:
        with container.database.write() as uow:
            uow.projects.set_label_studio_id(project.id, remote)
            uow.commit()
    ensure_frames(container.label_studio_api, remote, settings.frames_dir / "all")
    ensure_backend(container.label_studio_api, remote, backend_plan(settings))
    with container.database.read() as uow:
        return uow.projects.get(project.id)


def project_plan(settings: Settings, project: Project, version: str) -> ProjectPlan:
    """The twin as it should be while this version serves."""
    return ProjectPlan(_twin_key(settings, project), project.title, project.classes, version)


def backend_plan(settings: Settings) -> BackendPlan:
    """The ML backend as Label Studio should know it."""
    return BackendPlan(
        settings.effective_backend_url,
        settings.backend_user,
        settings.backend_password.get_secret_value(),
        settings.webhook_secret.get_secret_value(),
    )


def _twin_key(settings: Settings, project: Project) -> str:
    """What marks the twin as this home's: two homes may share one Label Studio, and both have a project 1."""
    return f"project {project.id} of home {home_key(settings)}"


def label_studio_id(project: Project) -> int:
    """The project's number in Label Studio. Raises BadRequest for one that was never connected."""
    if project.label_studio_id is None:
        raise BadRequest(
            "a project without its twin in Label Studio",
            "a connected one",
            "run ./sonoloop up",
            project=project.id,
        )
    return project.label_studio_id


def _version_zero(container: Container, request: ProjectRequest) -> tuple[str, str, dict[str, Any]]:
    """Digest, origin and config of the first version; without a file it is the one that draws nothing."""
    if request.weights in WITHOUT_FILE:
        nothing = hashlib.sha256(b"no weights").hexdigest()
        return nothing, "none", {"network": "", "classes": list(request.classes.names)}
    from trainer.weights import load_weights

    _, config = load_weights(request.weight_file)
    data = request.weight_file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    container.storage.put("models", digest, data)
    prior = {"prior_class": request.settings["prior"]} if request.settings.get("prior") else {}
    return digest, "phantoms" if request.weights == "base" else "file", {**config, **prior}
