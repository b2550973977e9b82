"""A comparison that is carried out, in sight of the person."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from cli.markup import escape
from cli.shell import console, progress, say
from trainer.comparison.conduct import Comparison, News, carry_out
from trainer.comparison.runs import Action


def follow(comparison: Comparison) -> None:
    """Carry it out in sight of the person: bars on a terminal, a line a training anywhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=18),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with progress(*columns) as bars, closing(carry_out(comparison)) as all_news:
        task = bars.add_task("", total=None, words="")
        began = time.monotonic()
        for news in all_news:
            bars.update(task, description=f"{news.network} seed {news.seed}", **_bar(news))
            if news.stage == "begins":
                began = time.monotonic()
                bars.reset(task)
            if news.stage == "finished":
                say(console, _line(news, time.monotonic() - began))
            if news.failure is not None:
                got = f"{escape(news.failure.got)}; the others go on"
                say(console, f"[yellow]{escape(news.failure.run)} failed[/]: {got}")


def _bar(news: News) -> dict[str, Any]:
    loss = "" if news.loss is None else f" loss {news.loss:.3f}"
    where = f"epoch {news.epoch}/{news.epochs}{loss}" if news.epochs else news.stage
    words = {"words": f"{where} · {news.finished} of {news.runs} done{_left(news)}"}
    return words | ({"completed": news.step, "total": news.steps} if news.steps else {})


def _line(news: News, seconds: float) -> str:
    went_on = " (went on)" if news.action is Action.RESUME else ""
    name = f"{news.network} seed {news.seed}"
    return f"{news.finished} of {news.runs}  {name} in {say_time(seconds)}{went_on}{_left(news)}"


def _left(news: News) -> str:
    if news.eta_seconds is None or news.finished == news.runs:
        return ""
    return f" · {say_time(news.eta_seconds)} left"


def say_time(seconds: float) -> str:
    """As people say it: 40 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
