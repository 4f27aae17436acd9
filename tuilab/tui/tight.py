"""Sends only the columns that changed; the one place that knows Textual's compositor.

Textual 8.2.8 crops a changed stretch of a line at its right end only, and so sends the line again
from the left edge of its widget: three times the bytes on a grid. Textual is pinned exactly.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor


class TightUpdate(ChopsUpdate):
    """Changed stretches of lines, cropped at both ends."""

    def render_segments(self, console: Console) -> str:
        """Return the terminal sequences of the update."""
        sequences: list[str] = []
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= last or end <= first:
                    continue
                left, right = max(x, first), min(end, last)
                shown = strip if (left, right) == (x, end) else strip.crop(left - x, right - x)
                sequences += [Control.move_to(left, y).segment.text, shown.render(console)]
        return "".join(sequences)


class TightCompositor(Compositor):
    """Textual's compositor with tight partial updates."""

    def render_partial_update(self) -> ChopsUpdate | None:
        """Return what changed since the last update."""
        update = super().render_partial_update()
        if type(update) is ChopsUpdate:
            return TightUpdate(update.chops, update.spans, update.chop_ends)
        return update
