"""``python -m tests.tui.film`` (`make film`): film the real demo for the README, as docs/demo.gif.

The demo runs for real in a terminal of its own, one job is made to fail once, and the keys are
typed: the failure, its relaunch, the plot and the table are what a user sees.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, ImageColor, ImageDraw, ImageFont

from tests.docs.generated import with_block
from tests.ending import end_engine
from tests.tui.terminal import ROOT, Terminal, typed

FILM = ROOT / "docs" / "demo.gif"
SHOWN = "![A failure, its relaunch, the plots and the table](docs/demo.gif)\n"
SIZE = (100, 28)
FAULT = "train:code:comedian@2:first"
LONG = 600.0
"""Seconds for the demo on a busy machine; it needs one minute on two quiet cores."""
_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_POINTS, _WIDTH, _HEIGHT = 14, 8, 17
_PAPER, _INK = "#11151c", "#d5dae3"
_MOST = 60
"""Pictures of one stretch of waiting."""
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""(column, row) of each bit of a braille sign: the font has none of them."""


class Film:
    """Pictures of a terminal, each with the milliseconds that it is shown."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._pictures: list[Image.Image] = []
        self._shown: list[int] = []
        names = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")
        self._fonts = [ImageFont.truetype(_FONTS / name, _POINTS) for name in names]
        self._seen: Counter[tuple[str, str]] = Counter()
        """How many signs were drawn in an ink on a paper."""

    def take(self, milliseconds: int) -> None:
        """Add the screen as it is; the same screen again is shown for longer."""
        picture = self._picture()
        if self._pictures and picture.tobytes() == self._pictures[-1].tobytes():
            self._shown[-1] += milliseconds
        else:
            self._pictures.append(picture)
            self._shown.append(milliseconds)

    def until(self, word: str, every: float, seconds: float) -> None:
        """Take pictures until a word stands there; together they are shown for ``seconds``."""
        deadline = time.monotonic() + LONG
        first = len(self._pictures)
        while word not in self._terminal.text:
            assert time.monotonic() < deadline, f"{word!r} never came:\n{self._terminal.text}"
            self._terminal.drain_for(every)
            if self._terminal.text.strip():
                self.take(1)
        # A busy machine takes longer, and the film would grow with it.
        every_so_many = 1 + (len(self._pictures) - first) // _MOST
        self._pictures[first:] = self._pictures[first:][::every_so_many]
        taken = len(self._pictures) - first
        self._shown[first:] = [round(seconds * 1000 / max(1, taken))] * taken

    def press(self, keys: str, milliseconds: int) -> None:
        self._terminal.press(keys)
        self._terminal.drain_for(1.5)
        self.take(milliseconds)

    def write(self, file: Path) -> None:
        """Write all pictures in one palette: every colour itself, and those of edges of signs."""
        pairs = [pair for pair, _ in self._seen.most_common()]
        exact = [colour for pair in pairs for colour in pair]
        edges = [_between(ink, paper, part) for part in (0.5, 0.25, 0.75) for ink, paper in pairs]
        colours = list(dict.fromkeys(map(ImageColor.getrgb, [*exact, *edges])))[:256]
        palette = Image.new("P", (1, 1))
        palette.putpalette([level for colour in colours for level in colour])
        flat = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in self._pictures]
        flat[0].save(
            file, save_all=True, append_images=flat[1:], duration=self._shown, loop=0, optimize=True
        )

    def _picture(self) -> Image.Image:
        columns, rows = SIZE
        picture = Image.new("RGB", (columns * _WIDTH, rows * _HEIGHT), _PAPER)
        draw = ImageDraw.Draw(picture)
        for row, line in self._terminal.screen.buffer.items():
            for column in range(columns):
                self._draw(draw, column * _WIDTH, row * _HEIGHT, line[column])
        return picture

    def _draw(self, draw: Any, x: int, y: int, cell: Any) -> None:
        ink, paper = _colour(cell.fg, _INK), _colour(cell.bg, _PAPER)
        if cell.reverse:
            ink, paper = paper, ink
        self._seen[ink, paper] += bool(cell.data.strip())
        draw.rectangle((x, y, x + _WIDTH - 1, y + _HEIGHT - 1), fill=paper)
        if 0x2800 <= (code := ord(cell.data[:1] or " ")) < 0x2900:
            for bit, (column, row) in enumerate(_DOTS):
                left, top = x + 1 + 4 * column, y + 1 + 4 * row
                if code >> bit & 1:
                    draw.rectangle((left, top, left + 1, top + 1), fill=ink)
        elif cell.data.strip():
            draw.text((x, y), cell.data, font=self._fonts[cell.bold], fill=ink)


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return f"#{name}" if len(name) == 6 and set(name.lower()) <= set("0123456789abcdef") else name


def _between(ink: str, paper: str, part: float) -> str:
    pairs = zip(ImageColor.getrgb(ink), ImageColor.getrgb(paper), strict=True)
    return "#" + "".join(f"{round(one * part + other * (1 - part)):02x}" for one, other in pairs)


def shoot(folder: Path) -> None:
    code = folder / "tuilab"
    for name in ("tuilab", "runners", "configs"):
        shutil.copytree(ROOT / name, code / name)
    environment = {
        "TUILAB_FAULT": FAULT,
        "XDG_CONFIG_HOME": str(folder),
        "PYTHONPATH": str(code),
    }
    with Terminal(typed("demo", "--dir", "demo"), folder, size=SIZE, **environment) as terminal:
        film = Film(terminal)
        film.until("▶", 0.5, 3)
        film.until("11/12", 2.0, 12)
        film.press("e", 1500)
        film.press("r", 3500)
        film.press("\x1b[C", 1200)
        film.press("\r", 1200)
        film.until("12/12", 1.0, 5)
        film.take(2500)
        for key, word in (("p", " measured"), ("t", "Peak epoch")):
            film.press(key, 300)
            film.until(word, 0.5, 0.5)
            film.take(4500)
            film.press("\x1b", 300)
        film.write(FILM)
        terminal.press("q")
        terminal.press("q")
        terminal.drain_for(1.0)


def main() -> None:
    """Film in a folder that is gone afterwards, and show the film in the README."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            shoot(Path(folder))
        finally:
            end_engine(Path(folder) / "demo")
    readme = ROOT / "README.md"
    readme.write_text(with_block(readme.read_text("utf-8"), "film", SHOWN), encoding="utf-8")
    print(f"{FILM}: {FILM.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
