"""How long a reader's Submit waits for the webhook: `python -m benchmarks.webhook`.

Label Studio answers Submit only after its webhooks have answered. Ours keeps the event and answers; the
backend beside it does in the request what backends usually do there: decode the strokes and save the mask
(it does not even train). Both run on the same server, with the same threads.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from flask import Flask, request
from rich.console import Console
from rich.table import Table
from waitress.server import create_server

from adapters.bootstrap import Container, build
from adapters.brush import SdkBrushCodec
from loop.masks import mask_digest, pack
from loop.regions import mask_to_result, result_to_mask
from ml_backend.app import create_app
from ml_backend.champions import Champions
from ml_backend.model import DrawingPorts
from tests.services.homes import LABEL_STUDIO_PROJECT, make_home, make_settings

SIDE, EVENTS, READERS = 512, 200, 8
AIM_MS = 50
CLASSES = ("vein",)


def event(number: int) -> dict[str, Any]:
    """What Label Studio sends when a frame of 512 px with one vessel is submitted."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = (rows - 200) ** 2 + (columns - 180 - number % 100) ** 2 < 60**2
    result = mask_to_result(mask[None], CLASSES, SdkBrushCodec(), f"event {number}")
    annotation = {"id": number, "task": 101, "updated_at": "2026-01-05T08:00:00Z", "result": result}
    return {
        "action": "ANNOTATION_CREATED",
        "annotation": annotation,
        "project": {"id": LABEL_STUDIO_PROJECT},
        "task": {"id": 101},
    }


def inbox_app(container: Container) -> Flask:
    """Ours."""
    ports = DrawingPorts(container.database, container.storage, container.images, container.codec)
    return create_app(container, Champions(container.database, container.segmenters, ports))


def working_app(container: Container) -> Flask:
    """One that works while the reader waits."""
    app = Flask("working")

    @app.post("/webhook")
    def webhook() -> tuple[str, int]:
        result = request.get_json()["annotation"]["result"]
        mask = result_to_mask(result, CLASSES, SIDE, SIDE, container.codec)
        container.storage.put("masks", mask_digest(mask), pack(mask))
        return "", 201

    return app


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of the running app."""
    server = create_server(app, host="127.0.0.1", port=0, threads=16)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()


def milliseconds(address: str, headers: dict[str, str], readers: int) -> list[float]:
    """How long each event took, with so many readers submitting at once."""
    bodies = [json.dumps(event(10_000 * readers + number)) for number in range(EVENTS)]
    headers = {**headers, "Content-Type": "application/json"}

    def submit(body: str) -> float:
        began = time.perf_counter()
        client.post("/webhook", content=body, headers=headers).raise_for_status()
        return 1000 * (time.perf_counter() - began)

    with httpx.Client(base_url=address, trust_env=False) as client, ThreadPoolExecutor(readers) as pool:
        return list(pool.map(submit, bodies))


def main() -> None:
    """Print the table."""
    table = Table(title=f"Milliseconds of one webhook, {EVENTS} events of {SIDE} px; the aim: {AIM_MS} ms")
    for heading in ("backend", "readers at once", "median", "p99"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    apps: dict[str, Callable[[Container], Flask]] = {
        "Sonoloop: kept, then mirrored": inbox_app,
        "usual: mask saved in the request": working_app,
    }
    for name, make in apps.items():
        for readers in (1, READERS):
            with tempfile.TemporaryDirectory() as folder:
                settings = make_settings(Path(folder), redis_url=f"redis+socket://{folder}/none.sock")
                make_home(settings, frames=4, held_out=1)
                container = build(settings)
                headers = {"X-Sonoloop-Secret": settings.webhook_secret.get_secret_value()}
                with served(make(container)) as address:
                    times = milliseconds(address, headers, readers)
                container.close()
            median, worst = np.quantile(times, [0.5, 0.99])
            table.add_row(name, str(readers), f"{median:.1f}", f"{worst:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
