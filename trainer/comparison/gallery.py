"""All pictures of a report, from what lies in its folder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loop.masks import Mask, unpack
from trainer.comparison.folder import Folder
from trainer.comparison.judge import read_drawn
from trainer.comparison.pictures import draw_curves, draw_reliability, draw_sheet
from trainer.comparison.report import Report
from trainer.comparison.runs import read_epochs
from trainer.dataset import read_image

CURVES, RELIABILITY, SHEET = "curves.png", "reliability.png", "sheet.png"


def draw_all(report: Report, folder: Folder) -> list[str]:
    """Write training curves, reliability and the sheet, and return their names. Raises BadInput."""
    losses = {
        network: [
            [(note["epoch"], note["loss"]) for note in read_epochs(folder.run(network, result.seed))]
            for result in report.of_network(network)
        ]
        for network in report.judged
    }
    draw_curves(losses, folder.root / CURVES)
    draw_reliability(report, folder.root / RELIABILITY)

    def read(number: int) -> tuple[NDArray[np.uint8], Mask]:
        frame = report.protocol.frames[number]
        return read_image(folder.frame(frame.frame), number), unpack(folder.mask(frame.mask).read_bytes())

    def drawn(network: str, number: int) -> Mask:
        return read_drawn(folder, network, report.first_seed(network), number)

    draw_sheet(report, read, drawn, folder.root / SHEET)
    return [CURVES, RELIABILITY, SHEET]
