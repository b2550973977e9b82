"""`sonoloop compare`: several networks under one protocol, resumable, with table and pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from adapters.cores import usable_cores
from adapters.formats.labelled import open_labelled
from cli.compare_data import DataRead, readable, take_frames
from cli.compare_progress import follow
from cli.compare_table import render_report
from cli.markup import escape
from cli.shell import console, say
from cli.wording import counted
from loop.errors import BadRequest
from loop.training_records import Split
from trainer.comparison.conduct import Comparison, check_room
from trainer.comparison.cost import Timing, count_cost, keep_timing, kept_timing, time_networks
from trainer.comparison.failures import Failure, to_error
from trainer.comparison.folder import Folder, check_folder, open_folder, settle_precision
from trainer.comparison.gallery import draw_all
from trainer.comparison.material import is_stored, store
from trainer.comparison.protocol import Plan, Protocol, one_sided
from trainer.comparison.report import Report, make_report
from trainer.comparison.runs import Action
from trainer.comparison.writing import write_report
from trainer.durable import write_whole
from trainer.job import IMAGENET, check_start
from trainer.networks import members
from trainer.recipe_files import read_recipe
from trainer.recipes import find_recipe

TABLE_WIDTH = 80
STARTS = ("scratch", IMAGENET)
TIMING, TABLE = "timing.json", "table.txt"


@dataclass(frozen=True)
class CompareRequest:
    """What the command was asked for; `size` and `threads` 0: the recipe's own, all cores."""

    data: Path
    networks: str
    out: Path
    classes: str | None
    recipe: str
    size: int
    seeds: int
    split_seed: int
    weights: str
    threads: int
    is_independent: bool = False

    def plan(self) -> Plan:
        """Networks and seeds. Raises BadRequest for an unknown network, one named twice, or none."""
        names = [name.strip() for name in self.networks.split(",") if name.strip()]
        for name in names:
            members(name)
        return Plan(tuple(names), self.seeds)

    def protocol(self, classes: tuple[str, ...]) -> Protocol:
        """The protocol without its frames. Raises BadRequest for an unknown recipe, an impossible size, or a
        recipe or weights that one of the networks cannot be trained from.
        """
        if self.weights not in STARTS:
            todo = "weights of your own are not compared: the networks would begin unequal"
            raise BadRequest(f"weights {self.weights!r}", f"one of {', '.join(STARTS)}", todo)
        is_file = self.recipe.endswith(".json")
        recipe = read_recipe(Path(self.recipe)) if is_file else find_recipe(self.recipe)
        recipe = replace(recipe, size=self.size) if self.size else recipe
        for network in self.plan().networks:
            check_start(replace(recipe, network=network), None if self.weights == "scratch" else self.weights)
        return Protocol(classes, recipe, self.weights, self.split_seed, ())


def compare(request: CompareRequest) -> None:
    """Train and judge what is not yet, then write and print the report of what is finished.

    Raises BadRequest before anything is written when the request is impossible, or `out` holds something
    else; Conflict while another command works there; after all is written TrainingFailed where trainings have
    no result.
    """
    plan, source = request.plan(), open_labelled(request.data, request.classes)
    protocol = _settled(request.out, request.protocol(source.classes))
    protocol, in_series = take_frames(source, protocol, request.is_independent)
    check_folder(request.out, protocol)
    size, count = protocol.recipe.size, len(protocol.classes)
    costs = {name: count_cost(name, count, size) for name in plan.networks}
    with open_folder(request.out, protocol, plan) as folder:
        if not is_stored(folder, protocol.frames):
            store(folder, readable(source, DataRead()))
        comparison = Comparison(folder, protocol, plan, costs, request.threads or usable_cores())
        _say_protocol(comparison)
        check_room(comparison)
        follow(comparison)
        failures = comparison.failures()
        report = _report(comparison, failures, in_series)
        files = write_files(report, folder) if report else []
    if report:
        console.print(render_report(report, console.width))
        say(console, f"report in {escape(str(request.out))}: {', '.join(files)}")
    if failures:
        raise to_error(failures, len(plan.pairs()))


def write_files(report: Report, folder: Folder) -> list[str]:
    """Write tables and pictures, and return their names."""
    table = Console(width=TABLE_WIDTH, color_system=None, file=io.StringIO())
    with table.capture() as text:
        table.print(render_report(report, TABLE_WIDTH))
    write_whole(folder.root / TABLE, text.get().encode())
    return [TABLE, *write_report(report, folder.root), *draw_all(report, folder)]


def _settled(out: Path, protocol: Protocol) -> Protocol:
    """With the precision decided once for all trainings: by an earlier start, else by a timed probe."""
    from trainer.precision import find_device, resolve_precision

    found = settle_precision(out, protocol)
    if found is None:
        with console.status("looking which precision is fastest here"):
            found = resolve_precision(protocol.recipe.precision, find_device())
    return replace(protocol, recipe=replace(protocol.recipe, precision=found))


def _say_protocol(comparison: Comparison) -> None:
    protocol, plan = comparison.protocol, comparison.plan
    held_out, train = (len(protocol.of_split(split)) for split in (Split.HELD_OUT, Split.TRAIN))
    out = len(protocol.held_out)
    teaching = f"{counted(train, 'frame')} of {counted(len(protocol.groups) - out, 'clip')}"
    say(console, f"{teaching} teach, {held_out} of {counted(out, 'other')} test")
    for sentence in one_sided(protocol):
        say(console, f"[yellow]{escape(sentence)}[/] Another --split-seed divides the clips anew")
    recipe = protocol.recipe
    epochs = counted(recipe.planned_epochs(train), "epoch")
    about = f"{recipe.size} px, {epochs}, {recipe.precision}"
    say(console, f"recipe {escape(recipe.name)}: {about}")
    actions = list(comparison.actions().values())
    there = actions.count(Action.NOTHING)
    done = f", {there} of them finished" if there else ""
    again = [each.run for each in comparison.failures()]
    done += f"; tried again after a failure: {', '.join(again)}" if again else ""
    product = f"{counted(len(plan.networks), 'network')} x {counted(plan.seeds, 'seed')}"
    say(console, f"{product}: {counted(len(actions), 'training')}{done}")


def _report(comparison: Comparison, failures: Sequence[Failure], in_series: int) -> Report | None:
    """Of all that is finished; None where nothing is."""
    results = comparison.results()
    if not results:
        return None
    finished = {result.network for result in results}
    timing = _timing(comparison, [name for name in comparison.plan.networks if name in finished])
    about = comparison.protocol, comparison.plan, comparison.costs, timing
    report = make_report(*about, results, failures, comparison.beside())
    return replace(report, in_series=in_series)


def _timing(comparison: Comparison, networks: Sequence[str]) -> Timing:
    """Of an earlier start where it fits, else timed now."""
    protocol = comparison.protocol
    path = comparison.folder.root / TIMING
    found = kept_timing(path, networks, comparison.threads)
    if found is None:
        recipe, classes = protocol.recipe, len(protocol.classes)
        with console.status("timing the networks, in turn"):
            found = time_networks(networks, classes, recipe.size, recipe.precision, comparison.threads)
        keep_timing(path, found)
    return replace(found, ms={name: found.ms[name] for name in networks})
