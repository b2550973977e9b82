"""The demo's rounds: read until the loop trains by itself, wait for its verdict, measure, read on."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from adapters.bootstrap import Container
from cli.demo_report import RoundRow, Truth, evaluate, gate_dice
from cli.markup import escape
from cli.round_words import describe_round, with_state
from cli.shell import console, progress, say
from cli.simulated import SimulatedReader
from loop.errors import Unavailable
from loop.masks import probs_to_mask
from loop.outcomes import read_scores
from loop.records import Decision, Frame, ModelVersion, Project
from loop.serving import is_order_only
from loop.sweep import followed_mark, followed_name
from loop.training_records import Round, RoundState
from trainer.curves import CurvePoint, draw_learning_curve, draw_sheet
from trainer.metrics import Scores

LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 45.0
FOLLOW_SECONDS = 600.0
OVERLAYS = 12


@dataclass
class Demo:
    """One demo project being played; `rows` grows by one a round."""

    container: Container
    project_id: int
    reader: SimulatedReader
    truth: Truth
    rows: list[RoundRow] = field(default_factory=list)

    @property
    def project(self) -> Project:
        """The project as it stands now."""
        with self.container.database.read() as uow:
            return uow.projects.get(self.project_id)

    def play(self, rounds: int) -> None:
        """Play until so many rounds have ended; those that an interrupted demo had ended count."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with progress(*columns) as bars:
            self._wait_for_predictions(bars)
            self.rows = [self._row_of_base(), *(self._row(row) for row in self._ended())]
            while len(self._ended()) < rounds:
                row = self._play_round(bars)
                if row is None:
                    console.print("the queue is empty: no further round")
                    break
                self.rows.append(self._row(row))
                say(console, escape(_describe(self.rows[-1])))
                self._wait_for_predictions(bars)
            self.rows = [replace(row, accepted=self._accepted(row.version)) for row in self.rows]

    def held_out(self) -> list[Frame]:
        """Every held-out frame, labelled or not."""
        with self.container.database.read() as uow:
            return [frame for frame in uow.frames.list(self.project_id) if frame.is_held_out]

    def _play_round(self, bars: Progress) -> Round | None:
        live = self._live() or self._read_until_planned(bars)
        if live is None:
            return None
        task = _begin(bars, f"round {live.number} trains")
        while live.state.is_live:
            doing = with_state(live.state.value, describe_round(live))
            bars.update(task, description=f"round {live.number} {escape(doing)}")
            time.sleep(LOOK_SECONDS)
            with self.container.database.read() as uow:
                live = uow.rounds.get(live.id)
        bars.remove_task(task)
        return live

    def _read_until_planned(self, bars: Progress) -> Round | None:
        """Read as many frames as start a round, then wait for it; read one more when none comes.

        Held-out frames are among those served, and start none.
        """
        moves: Counter[str] = Counter()
        missing = int(self.project.settings["min_new_labels"])
        held_out = {frame.digest for frame in self.held_out()}
        task = _begin(bars, "the simulated reader reads")
        try:
            while True:
                read = self.reader.read_next()
                if read is not None:
                    moves[read.move.value] += 1
                    missing -= read.digest not in held_out
                    counts = ", ".join(f"{count} {name}" for name, count in sorted(moves.items()))
                    bars.update(task, description=f"the simulated reader read {moves.total()}: {counts}")
                if read is None or missing <= 0:
                    live = self._wait_for_round()
                    if live is not None or read is None:
                        return live
        finally:
            bars.remove_task(task)

    def _wait_for_round(self) -> Round | None:
        until = time.monotonic() + PATIENCE_SECONDS
        ended = len(self._ended())
        while time.monotonic() < until:
            live = self._live()
            if live is not None:
                return live
            rounds = self._ended()
            if len(rounds) > ended:
                return rounds[-1]
            time.sleep(LOOK_SECONDS)
        return None

    def _wait_for_predictions(self, bars: Progress) -> None:
        """Until Label Studio serves the champion's predictions in the champion's order."""
        task = _begin(bars, "drawing and ranking the queue")
        until = time.monotonic() + FOLLOW_SECONDS
        while time.monotonic() < until:
            with self.container.database.read() as uow:
                mark = followed_mark(uow, uow.projects.get(self.project_id))
                if uow.marks.cursor(followed_name(self.project_id)) == mark:
                    bars.remove_task(task)
                    return
            time.sleep(LOOK_SECONDS)
        raise Unavailable(
            f"no predictions after {FOLLOW_SECONDS:.0f} s",
            "a worker that draws",
            "see ./sonoloop logs worker-light",
        )

    def _live(self) -> Round | None:
        with self.container.database.read() as uow:
            return uow.rounds.live(self.project_id)

    def _ended(self) -> list[Round]:
        with self.container.database.read() as uow:
            return [row for row in uow.rounds.list(self.project_id) if not row.state.is_live]

    def _row_of_base(self) -> RoundRow:
        with self.container.database.read() as uow:
            base = next(each for each in uow.models.list(self.project_id) if each.number == 0)
        return RoundRow(
            number=0,
            version=base.name,
            labels=0,
            gate=None,
            gate_frames=0,
            all_truth=self._measure(base),
            outcome="served",
            reason=f"base weights: {base.origin}",
            accepted=None,
            seconds=0.0,
        )

    def _row(self, row: Round) -> RoundRow:
        with self.container.database.read() as uow:
            model = None if row.candidate_id is None else uow.models.get(row.candidate_id)
        figures = row.verdict.figures if row.verdict else {}
        scored = figures.get("candidate")
        seconds = (row.finished_at - row.created_at).total_seconds() if row.finished_at else 0.0
        return RoundRow(
            number=row.number,
            version=model.name if model else "none",
            labels=row.label_count,
            gate=read_scores(scored) if scored else None,
            gate_frames=figures.get("frames", 0),
            all_truth=self._measure(model),
            outcome=row.state.value,
            reason=describe_round(row),
            accepted=None,
            seconds=seconds,
        )

    def _measure(self, model: ModelVersion | None) -> Scores:
        if model is None or is_order_only(model):
            return evaluate(None, [], self.container.images, self.truth)
        return evaluate(
            self.container.segmenters.load(model), self.held_out(), self.container.images, self.truth
        )

    def _accepted(self, version: str) -> float | None:
        """The share of a version's proposals that were accepted, of those that were read until now."""
        with self.container.database.read() as uow:
            models = [each for each in uow.models.list(self.project_id) if each.name == version]
            drawn = [row for each in models for row in uow.predictions.for_version(self.project_id, each.id)]
            proposals = {row.id for row in drawn}
            read = [mask for mask in uow.masks.current(self.project_id) if mask.proposal_id in proposals]
        accepted = sum(mask.decision is Decision.ACCEPTED for mask in read)
        return accepted / len(read) if read else None


def draw_pictures(demo: Demo, folder: Path) -> None:
    """Write the learning curve and a sheet of held-out frames with truth and the champion's outlines."""
    points = [
        CurvePoint(
            row.number,
            row.labels,
            gate_dice(row),
            row.all_truth.dice_mean,
            row.outcome in ("served", RoundState.PROMOTED.value),
        )
        for row in demo.rows
    ]
    draw_learning_curve(points, folder / "learning-curve.png")
    with demo.container.database.read() as uow:
        champion = uow.models.get(uow.projects.get(demo.project_id).champion_id or 0)
    segmenter = demo.container.segmenters.load(champion)
    images = demo.container.images
    known = [frame for frame in demo.held_out() if frame.digest in demo.truth][:OVERLAYS]
    pictures = ((image, demo.truth[frame.digest]) for frame in known for image in [images.read(frame)])
    draw_sheet(
        [(image, truth, probs_to_mask(segmenter.predict(image))) for image, truth in pictures],
        folder / "overlays.png",
    )


def _begin(bars: Progress, what: str) -> TaskID:
    """A bar; where none is shown, a line, so that minutes do not pass in silence."""
    if not console.is_interactive:
        say(console, what)
    return bars.add_task(what, total=None)


def _describe(row: RoundRow) -> str:
    dice = "–" if row.all_truth.dice_mean is None else f"{row.all_truth.dice_mean:.3f}"
    outcome = with_state(row.outcome, row.reason)
    return f"round {row.number}: {row.labels} labels, held-out Dice {dice}, {outcome}"
