"""The outcome of a comparison as one value, and the words that belong to its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loop.training_records import Split
from trainer.comparison.aggregate import Difference, Figure, NetworkFigures, aggregate
from trainer.comparison.cost import Cost, Timing
from trainer.comparison.failures import Failure
from trainer.comparison.gaps import beside_note, gaps_note
from trainer.comparison.idle import idle_note
from trainer.comparison.judge import Result
from trainer.comparison.protocol import Plan, Protocol, one_sided
from trainer.comparison.published import PUBLISHED, SIZE
from trainer.metrics import ENOUGH_CLIPS
from trainer.recipes import Recipe

SHOWN = ("acc", "miou", "dice")
HEADINGS = {"acc": "ACC", "miou": "mIoU", "dice": "Dice"}
NO_INTERVAL = "[–]"
NONE_SAID = (
    f"{NO_INTERVAL}: no interval, for fewer than three test clips define the figure: it may be chance."
)
FEW_SAID = (
    "Few test clips define some figures, the fewest {}: below six a 95 % interval holds less often than it "
    "says, in about 91 of 100 cases from five clips, 87 from four, 75 from three."
)


@dataclass(frozen=True)
class Report:
    """All that the table and the pictures show; `results` holds every finished run in the order of the plan,
    `failures` those that failed, `networks` the figures of those with a result. `beside`: the seeds, by
    network, of what is finished in the folder and not asked for. `in_series`: how many frames are named like
    a film's, though each counts as a recording of its own.
    """

    protocol: Protocol
    plan: Plan
    costs: Mapping[str, Cost]
    timing: Timing
    results: Sequence[Result]
    networks: Sequence[NetworkFigures]
    differences: Sequence[Difference]
    failures: Sequence[Failure] = ()
    beside: Mapping[str, Sequence[int]] = field(default_factory=dict)
    in_series: int = 0

    def of_network(self, network: str) -> list[Result]:
        """Its runs, seed by seed."""
        return [result for result in self.results if result.network == network]

    @property
    def judged(self) -> list[str]:
        """The networks with a result, in the order of the plan."""
        return [each.network for each in self.networks]

    @property
    def without_result(self) -> list[str]:
        """The networks of the plan of which no training has a result."""
        return [network for network in self.plan.networks if network not in self.judged]

    def first_seed(self, network: str) -> int:
        """The first of its seeds that has a result: the one whose drawings are shown."""
        return min(result.seed for result in self.of_network(network))


def make_report(
    protocol: Protocol,
    plan: Plan,
    costs: Mapping[str, Cost],
    timing: Timing,
    results: Sequence[Result],
    failures: Sequence[Failure] = (),
    beside: Mapping[str, Sequence[int]] | None = None,
) -> Report:
    """Aggregate the results, one at least. Raises BadRequest when they are not of the same frames."""
    frames = {(result.network, result.seed): result.frames for result in results}
    runs = {
        network: [frames.get((network, seed)) for seed in range(plan.seeds)]
        for network in plan.networks
        if any(pair[0] == network for pair in frames)
    }
    return Report(protocol, plan, costs, timing, results, *aggregate(runs), failures, beside or {})


def caption(report: Report) -> list[str]:
    """What one must know to read the table, a sentence or two each."""
    protocol, recipe, timing = report.protocol, report.protocol.recipe, report.timing
    held_out, train = (protocol.of_split(split) for split in (Split.HELD_OUT, Split.TRAIN))
    epochs = recipe.planned_epochs(len(train))
    start = "from scratch" if protocol.base == "scratch" else f"from {protocol.base} weights"
    return [
        *gaps_note(report.plan, report.results, report.failures),
        *beside_note(report.beside),
        f"{len(train)} frames of {len(protocol.groups) - len(protocol.held_out)} clips taught, "
        f"{len(held_out)} frames of {len(protocol.held_out)} others tested; the same for every network.",
        *_series_note(report.in_series),
        f"{recipe.size} px, {recipe.optimizer} at {recipe.learning_rate:g}, {recipe.loss}, "
        f"{epochs} epochs, batch {recipe.batch}, augmentation {recipe.augmentation}, "
        f"{recipe.precision}, {start}; "
        f"mean of {report.plan.seeds} seed{'s' if report.plan.seeds > 1 else ''}.",
        *_preparation_note(recipe),
        *_size_warning(recipe),
        f"ACC, mIoU: all pixels pooled. Dice: mean over frames; {_empty_pairs(report)} left out.",
        *_classes_note(protocol.classes),
        *one_sided(protocol),
        "[ ]: 95 % intervals by drawing clips" + (" and seeds." if report.plan.seeds > 1 else "; one seed."),
        *_pairs_note(report),
        *_intervals_note(report),
        *idle_note(report.protocol, report.results),
        f"{_cost_of(recipe)} of {timing.size} px, {timing.threads} "
        f"thread{'s' if timing.threads > 1 else ''}, {timing.precision}, {timing.device}.",
        *_published_note(report.judged),
    ]


def _series_note(in_series: int) -> list[str]:
    if not in_series:
        return []
    frames = "1 frame is named" if in_series == 1 else f"{in_series} frames are named"
    return [
        f"{frames} like those of a film, and each counted as a recording of its own: neighbours of one film "
        "may have taught and tested at once, and then every figure is too good."
    ]


def _preparation_note(recipe: Recipe) -> list[str]:
    """What is done to a frame before a network sees it, where anything is."""
    made = recipe.preparation
    box = f"crop to the box {', '.join(f'{side:g}' for side in made.box)} ({made.box_unit})"
    whole = f"a longest side of {made.tile_frame} px" if made.tile_frame else "its own pixels"
    steps = {
        box: made.crop == "box",
        "crop to what lies within black borders": made.crop == "borders",
        f"CLAHE of {made.clahe_clip:g} on {made.clahe_grid} x {made.clahe_grid} fields": made.clahe_clip > 0,
        f"tiles of {recipe.size} px from {whole}, which overlap by {made.tile_overlap:g} or more": made.tiles,
    }
    done = [step for step, is_done in steps.items() if is_done]
    return [f"Every frame first: {'; '.join(done)}."] if done else []


def _cost_of(recipe: Recipe) -> str:
    if recipe.preparation.tiles:
        return "GMAC, ms: of one tile alone, and a frame takes several; ms: median forward pass of a tile"
    return "ms: median forward pass of one frame"


def _size_warning(recipe: Recipe) -> list[str]:
    is_tiled = recipe.preparation.tiles
    if recipe.size == SIZE and not is_tiled:
        return []
    seen = f"{'Tiles' if is_tiled else 'Frames'} of {recipe.size} px"
    theirs = f"whole frames of {SIZE} px" if is_tiled else f"{SIZE} px"
    return [f"{seen}: the published study used {theirs}, so this is not its protocol in full."]


def _classes_note(classes: Sequence[str]) -> list[str]:
    if len(classes) < 2:
        return []
    return [
        f"A network's ACC: pixels whose class is right; its mIoU: mean over background and {len(classes)} "
        "classes; its other figures: means over the classes. A class's own: that class against all else."
    ]


def _pairs_note(report: Report) -> list[str]:
    """Why a difference of Dice may be another than that of two cells of the table."""
    if not report.differences or len({_left_out(result) for result in report.results}) < 2:
        return []
    return [
        "Differences of Dice: over the frames that have one for both networks; those of a cell may be others."
    ]


def _intervals_note(report: Report) -> list[str]:
    figures = [figure for each in report.networks for figure in _figures(each)]
    figures += [figure for each in report.differences for figure in each.figures.values()]
    missing = any(figure.low is None for figure in figures if figure.value is not None)
    fewest = min((figure.clips for figure in figures if figure.low is not None), default=ENOUGH_CLIPS)
    return [
        *([NONE_SAID] if missing else []),
        *([FEW_SAID.format(fewest)] if fewest < ENOUGH_CLIPS else []),
    ]


def _figures(each: NetworkFigures) -> list[Figure]:
    return [figure for part in (each.figures, *each.by_class) for figure in part.values()]


def _published_note(networks: Sequence[str]) -> list[str]:
    if not any(network in PUBLISHED for network in networks):
        return []
    return ["paper: the published study's figures, on frames of its own: near or far, they prove nothing."]


def _empty_pairs(report: Report) -> str:
    """How many pairs of empty masks the Dice of a network leaves out."""
    numbers = [len(_left_out(result)) for result in report.results]
    said = str(numbers[0]) if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"
    return f"{said} of {len(report.results[0].frames)} pairs of empty masks"


def _left_out(result: Result) -> frozenset[int]:
    """The frames on which truth and network both hold nothing."""
    there = {f.number: (f.counts.tp + f.counts.fp + f.counts.fn).any() for f in result.frames}
    return frozenset(number for number, is_there in there.items() if not is_there)


def share(value: float | None) -> str:
    """A share with three digits and no leading zero: .963; 1.000; – for what is undefined."""
    if value is None:
        return "–"
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0.") else text


def signed(value: float | None) -> str:
    """A difference with its sign: +.012, −.140."""
    if value is None:
        return "–"
    return ("−" if value < 0 else "+") + share(abs(value))


def bracket(figure: Figure, is_difference: bool = False) -> str:
    """The interval of a figure: [.950 .971]; [–] where it has none, nothing where it has no value either."""
    if figure.low is None or figure.high is None:
        return "" if figure.value is None else NO_INTERVAL
    word = signed if is_difference else share
    return f"[{word(figure.low)} {word(figure.high)}]"
