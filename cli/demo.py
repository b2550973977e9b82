"""`sonoloop demo`: the whole loop from nothing, with a simulated reader in place of people."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from adapters.bootstrap import Container
from adapters.formats.frames import FrameFile
from adapters.formats.truth import TruthFolder, parse_classes
from adapters.label_studio.users import ensure_reader
from cli.demo_frames import DemoFrames, draw_demo_frames
from cli.demo_report import render_table, save_rows
from cli.demo_rounds import Demo, draw_pictures
from cli.home import DEMO
from cli.intake import require_folder, take_in
from cli.markup import escape
from cli.project import ProjectRequest, connect_project, kept_recipe, label_studio_id, make_project
from cli.services import Ports, started_home, wait_until_ready
from cli.shell import console, progress, say
from cli.simulated import EMAIL, KnownTruth, SimulatedReader, TruthFile
from cli.work import print_address, write_export
from loop.errors import BadRequest
from loop.records import Project

PHANTOM_SALT = b"phantoms of sonoloop"
"""Holds out recordings that are as hard for the base weights as all are (two frames of each: .859, .864)."""
PHANTOMS_HELD_OUT = 0.3
"""More than of a department's frames: nobody's time is spent on these, and the figures shall be steady."""


@dataclass(frozen=True)
class DemoPlan:
    """What the demo is asked to do; `frames` None means phantoms, whose truth it draws itself."""

    frames: Path | None
    truth: Path | None
    classes: str
    size: int
    rounds: int
    labels: int
    seed: int
    recipe: str
    weights: str

    def check(self) -> None:
        """Raises BadRequest for frames without truth (or the reverse) and for folders that do not exist."""
        if (self.frames is None) != (self.truth is None):
            raise BadRequest(
                "only one of --frames and --truth", "both, or neither for phantoms", "name the other one"
            )
        for folder in (self.frames, self.truth):
            if folder is not None:
                require_folder(folder)

    def to_settings(self) -> dict[str, Any]:
        """What is kept with the project: by it an interrupted demo is recognised and continued."""
        chosen = {
            key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()
        }
        held_out = {} if self.frames else {"held_out_fraction": PHANTOMS_HELD_OUT}
        return {
            **held_out,
            "kind": DEMO,
            "plan": chosen,
            "size": self.size,
            "recipe": kept_recipe(self.recipe, self.size),
            "seed": self.seed,
            "min_new_labels": self.labels,
        }


def run_demo(plan: DemoPlan, home: Path | None, ports: Ports) -> None:
    """Run it to the end; begun again after an interruption it goes on where it was."""
    started = time.monotonic()
    plan.check()
    plan = replace(
        plan, **{name: path.absolute() for name in ("frames", "truth") if (path := getattr(plan, name))}
    )
    request = ProjectRequest("Sonoloop demo", parse_classes(plan.classes), plan.weights, plan.to_settings())
    request.check()
    with started_home(home, ports, request.check) as container:
        frames, truth = _material(plan, container)
        wait_until_ready(container.settings)
        project = connect_project(container, _find_or_make(container, request))
        demo = _prepare(container, project, frames, TruthFolder(truth, request.classes))
        demo.play(plan.rounds)
        _finish(container, demo, time.monotonic() - started)


def _material(plan: DemoPlan, container: Container) -> tuple[Path, Path]:
    """The folders of frames and truth; phantoms are drawn while the services start."""
    if plan.frames is not None and plan.truth is not None:
        return plan.frames, plan.truth
    folder = container.settings.root / "phantoms" / f"seed-{plan.seed}"
    columns = (TextColumn("drawing phantoms"), BarColumn(), MofNCompleteColumn())
    with progress(*columns) as bars:
        task = bars.add_task("clips", total=None)
        wanted = DemoFrames(seed=plan.seed)
        return draw_demo_frames(
            wanted, folder, lambda done, total: bars.update(task, completed=done, total=total)
        )


def _find_or_make(container: Container, request: ProjectRequest) -> Project:
    with container.database.read() as uow:
        for project in reversed(uow.projects.list()):
            is_same = project.settings.get("plan") == request.settings["plan"]
            if is_same and not project.settings.get("is_finished"):
                console.print(f"going on with project {project.id}, which was interrupted")
                return project
    return make_project(container, request)


def _prepare(container: Container, project: Project, frames: Path, truth: TruthFolder) -> Demo:
    files: dict[str, TruthFile] = {}

    def remember(frame: FrameFile) -> None:
        files.setdefault(frame.digest, TruthFile(frame.relative, frame.height, frame.width))

    # Phantoms have no names to hide; so a seed holds out the same recordings in every home.
    is_drawn = project.settings["plan"]["frames"] is None
    take_in(container, project, frames, remember, PHANTOM_SALT if is_drawn else b"")
    known = KnownTruth(truth, files)
    if not known:
        raise BadRequest(
            "no usable truth mask", "a PNG of the frame's name and size", "check --truth and --classes"
        )
    settings = container.settings
    session = ensure_reader(container.label_studio_api, EMAIL, settings.label_studio_token.get_secret_value())
    with container.database.write() as uow:
        uow.readers.mark_simulated(session.user_id)
        uow.commit()
    reader = SimulatedReader(session, label_studio_id(project), project.classes, known, container.codec)
    return Demo(container, project.id, reader, known)


def _finish(container: Container, demo: Demo, seconds: float) -> None:
    folder = container.settings.root / "exports" / f"demo-{demo.project.id}-{time.strftime('%Y%m%d-%H%M%S')}"
    write_export(container, demo.project, folder)
    save_rows(demo.rows, folder / "rounds.json")
    draw_pictures(demo, folder)
    with container.database.write() as uow:
        project = uow.projects.get(demo.project.id)
        uow.projects.set_settings(project.id, {**project.settings, "is_finished": True})
        uow.commit()
    console.print(render_table(demo.rows))
    written = {"learning curve": "learning-curve.png", "overlays": "overlays.png", "COCO and masks": ""}
    for what, name in written.items():
        say(console, f"{what:<14}  {escape(str(folder / name))}")
    say(console, f"done in {seconds / 60:.1f} minutes; everything keeps running for you:")
    print_address(container, demo.project, shows_login=True)
    console.print("  ./sonoloop status shows it, ./sonoloop down stops it")
