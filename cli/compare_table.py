"""The table of a comparison for a terminal: 80 columns hold it, in fewer it becomes a list."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trainer.comparison.aggregate import Difference, Figure, NetworkFigures
from trainer.comparison.published import PUBLISHED
from trainer.comparison.report import HEADINGS, SHOWN, Report, bracket, caption, share, signed

NARROWEST_NAME = 12
FAILED = "failed"
OTHER_COLUMNS = 58
"""What the other columns take with the gaps between them."""


def render_report(report: Report, width: int) -> Group:
    """The table, the paired differences and the words that belong to them."""
    parts: list[RenderableType] = []
    if width >= NARROWEST_NAME + OTHER_COLUMNS:
        parts += [_table(report, width - OTHER_COLUMNS)]
        parts += [_differences(report, width - OTHER_COLUMNS)] if report.differences else []
    else:
        parts += [line for each in report.networks for line in _block(report, each)]
        parts += [Text(f"{network}: {FAILED}", overflow="fold") for network in report.without_result]
        parts += [line for each in report.differences for line in _difference_block(each)]
    return Group(*parts, "", *(Text(line) for line in caption(report)))


def _table(report: Report, name_width: int) -> Table:
    table = _empty_table("Networks, measured on held-out clips", name_width)
    for heading in ("M par.", "GMAC", "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in report.networks:
        cost = report.costs[each.network]
        figures = [each.figures[name] for name in SHOWN]
        costs = f"{cost.parameters / 1e6:.1f}", f"{cost.gmac:.1f}", f"{report.timing.ms[each.network]:.0f}"
        table.add_row(Text(each.network), *(share(figure.value) for figure in figures), *costs)
        table.add_row("", *map(_bounds, figures))
        for name, of_class in zip(report.protocol.classes, each.by_class, strict=False):
            table.add_row(Text(f"  {name}"), *(share(of_class[key].value) for key in SHOWN))
        published = PUBLISHED.get(each.network)
        if published:
            table.add_row("  paper", *(share(published.get(name)) for name in SHOWN), style="dim")
    for network in report.without_result:
        table.add_row(Text(network), FAILED)
    return table


def _differences(report: Report, name_width: int) -> Table:
    reference = report.differences[0].reference
    table = _empty_table(f"Difference to {reference}, in pairs", name_width)
    for each in report.differences:
        figures = [each.figures[name] for name in SHOWN]
        table.add_row(Text(each.network), *(signed(figure.value) for figure in figures))
        table.add_row("", *(Text(bracket(figure, is_difference=True)) for figure in figures))
    return table


def _empty_table(title: str, name_width: int) -> Table:
    table = Table(
        title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    table.add_column("network", overflow="fold", max_width=name_width)
    for name in SHOWN:
        table.add_column(HEADINGS[name], justify="right", no_wrap=True)
    return table


def _bounds(figure: Figure) -> Text:
    return Text(bracket(figure))


def _block(report: Report, each: NetworkFigures) -> Iterator[Text]:
    cost, published = report.costs[each.network], PUBLISHED.get(each.network, {})
    yield Text(each.network, style="bold", overflow="fold")
    for name in SHOWN:
        figure = each.figures[name]
        paper = f", paper {share(published[name])}" if name in published else ""
        yield Text(f"  {HEADINGS[name]:<4} {share(figure.value)} {bracket(figure)}{paper}")
    for name, of_class in zip(report.protocol.classes, each.by_class, strict=False):
        yield Text(f"  {name}: Dice {share(of_class['dice'].value)}")
    yield Text(f"  {cost.parameters / 1e6:.1f} M parameters")
    yield Text(f"  {cost.gmac:.1f} GMAC, {report.timing.ms[each.network]:.0f} ms")


def _difference_block(each: Difference) -> Iterator[Text]:
    yield Text(f"{each.network} − {each.reference}", style="bold", overflow="fold")
    for name in SHOWN:
        figure = each.figures[name]
        yield Text(f"  {HEADINGS[name]:<4} {signed(figure.value)} {bracket(figure, is_difference=True)}")
