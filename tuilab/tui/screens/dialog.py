"""A question over the screen: title, what will happen, answers; the first answer is no."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from tuilab.tui import keys
from tuilab.tui.present.styled_text import Line
from tuilab.tui.screens.frame import Dialog
from tuilab.tui.widgets.choice import Choice
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines

CANCEL = "cancel"


class Question(Dialog):
    """Says what will happen and waits for an answer; dismissed with the answer's name."""

    BINDINGS = keys.DIALOG

    def __init__(
        self,
        title: str,
        lines: Sequence[Line],
        answers: Sequence[tuple[str, str]],
        foot: Sequence[Line] = (),
    ) -> None:
        super().__init__()
        self._title = title
        self._body = tuple(lines)
        self._foot = tuple(foot)
        self._answers = [(CANCEL, "Cancel"), *answers]

    def compose(self) -> ComposeResult:
        """Title, body that scrolls, foot, answers."""
        with Vertical(classes="window") as window:
            window.border_title = ""
            yield Lines(id="dialog-title")
            with VerticalScroll(id="dialog-scroll", can_focus=False):
                yield Lines(id="dialog-body")
            yield Lines(id="dialog-foot")
            yield Choice(self._answers)
        yield KeyBar(self.BINDINGS, self.tuilab.glyphs)

    def on_mount(self) -> None:
        """Show the words; the cursor stands on Cancel."""
        self.write("dialog-title", ((f" {self._title}", "title"),))
        self.show_body(self._body)
        foot = self.query_one("#dialog-foot", Lines)
        foot.styles.height = len(self._foot)
        foot.show(self._foot)
        self.query_one(Choice).focus()

    def show_body(self, lines: Sequence[Line]) -> None:
        """Replace what is said."""
        body = self.query_one("#dialog-body", Lines)
        body.styles.height = max(1, len(lines))
        room = max(3, self.app.size.height - len(self._foot) - 5)
        self.query_one("#dialog-scroll").styles.height = min(room, max(1, len(lines)))
        body.show(lines)

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(CANCEL)

    def action_scroll(self, step: int) -> None:
        """Read on."""
        self.query_one("#dialog-scroll").scroll_relative(y=step * 3, animate=False)

    @on(Choice.Taken)
    def _taken(self, event: Choice.Taken) -> None:
        self.dismiss(event.name)
