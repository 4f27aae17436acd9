"""Shows a prepared figure; it draws again when figure, look or size change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuilab.tui.present.figure_look import Look
from tuilab.tui.present.styled_text import fit_line
from tuilab.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from tuilab.science.figure_model import Figure


class PlotView(Lines):
    """A figure with its cursor, or a sentence while there is none."""

    DEFAULT_CSS = "PlotView { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._figure: Figure | None = None
        self._look = Look()
        self._words = ""

    def draw(self, figure: Figure | None, look: Look, words: str = "") -> None:
        """Show a figure, or ``words`` where there is none."""
        self._figure, self._look, self._words = figure, look, words
        self._draw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()

    def _draw(self) -> None:
        columns, rows = self.size
        if self._figure is None or columns == 0 or rows == 0:
            self.show([fit_line(((f" {self._words}", "muted"),), columns)])
            return
        from tuilab.tui.present.figure_plot import figure_pieces

        self.show(figure_pieces(self._figure, columns, rows, self._look))
