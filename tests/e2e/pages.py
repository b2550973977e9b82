"""Label Studio's pages in a real browser, by what a reader sees and does on them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, Response, expect, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEW = {"width": 1500, "height": 950}
PATIENCE_MS = 120_000
REDDER = 40
"""How much redder than green a pixel of the first class is; frames are grey."""

Point = tuple[float, float]


@contextmanager
def open_page(chromium: Path, scale: float = 1.0) -> Iterator[Page]:
    """An empty page of a browser of its own; `scale`: picture px for each page px."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        page = browser.new_page(viewport=VIEW, device_scale_factor=scale)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


@dataclass
class Shots:
    """Writes what the page shows as numbered pictures, for a person to look at."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def take(self, page: Page, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=self.folder / f"{next(self.numbers):02d}-{name}.png")


def log_in(page: Page, link: str, email: str, password: str) -> Stream:
    """Follow the link for readers, which asks for the account first."""
    page.goto(link)
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill(password)
    with page.expect_response(_serves) as served:
        page.get_by_role("button", name="Log in").click()
    return Stream(page).showing(served.value)


class Stream:
    """The label stream: one frame after another; `task` is the one on the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.task = 0

    def showing(self, served: Response) -> Stream:
        """Wait until the page shows what the server answered."""
        self.task = int(served.json()["id"])
        expect(self.page.locator(".lsf-current-task__task-id")).to_contain_text(str(self.task))
        self.page.wait_for_function("() => document.querySelector('.lsf-image img')?.naturalWidth > 0")
        expect(self.submit_button).to_be_enabled()
        return self

    @property
    def regions(self) -> Locator:
        """The list of regions beside the frame."""
        return self.page.locator(".lsf-outliner-item")

    @property
    def submit_button(self) -> Locator:
        return self.page.get_by_test_id("bottombar-submit-button")

    def select(self, region: int) -> None:
        """Click a region in the list."""
        self.regions.nth(region).click()
        expect(self.page.locator(".lsf-tree__node.lsf-tree-treenode-selected")).to_have_count(1)

    def paint(self, points: Sequence[Point]) -> None:
        """One stroke of the brush along points (x, y), as fractions of the frame's sides."""
        frame = self.page.locator(".lsf-image img").bounding_box()
        assert frame is not None
        path = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in points]
        self.page.mouse.move(*path[0])
        self.page.mouse.down()
        for x, y in path[1:]:
            self.page.mouse.move(x, y, steps=8)
        self.page.mouse.up()

    def drawn(self) -> int:
        """How many pixels of the frame, as it stands on the screen, have a class's colour."""
        box = self.page.locator(".lsf-image img").bounding_box()
        assert box is not None
        picture = np.asarray(
            Image.open(io.BytesIO(self.page.screenshot(clip=box))).convert("RGB"), dtype=np.int16
        )
        return int((picture[..., 0] - picture[..., 1] > REDDER).sum())

    def wait_until_drawn(self, is_right: Callable[[int], bool]) -> int:
        """Wait until the number of coloured pixels is right, and return it."""
        until = time.monotonic() + PATIENCE_MS / 1000
        while not is_right(drawn := self.drawn()):
            assert time.monotonic() < until, f"{drawn} px are drawn"
            self.page.wait_for_timeout(100)
        return drawn

    def delete_all(self) -> None:
        """Select region after region and press Backspace."""
        while count := self.regions.count():
            self.select(0)
            self.page.keyboard.press("Backspace")
            expect(self.regions).to_have_count(count - 1)

    @contextmanager
    def autosave(self) -> Iterator[None]:
        """Wait at the end of the block until the page has kept what was done in it as a draft."""
        with self.page.expect_response(lambda each: "/drafts" in each.url and each.ok):
            yield

    def submit(self) -> None:
        self._leave(self.submit_button)

    def skip(self) -> None:
        self._leave(self.page.get_by_test_id("bottombar-skip-button"))

    def reload(self) -> None:
        """Load the page anew, as after a crash of the browser."""
        with self.page.expect_response(_serves) as served:
            self.page.reload()
        self.showing(served.value)

    def _leave(self, button: Locator) -> None:
        with self.page.expect_response(_serves) as served:
            button.click()
        self.showing(served.value)


def _serves(response: Response) -> bool:
    return "id=next_task" in response.url
