"""A question over the screen: title, fields, what will happen, answers; the first one is no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input

from tuilab.contract.foreign import clean_line
from tuilab.grid.request import Request
from tuilab.tui import keys
from tuilab.tui.messages import RequestMade
from tuilab.tui.present.styled_text import Line, wrap
from tuilab.tui.screens.frame import Dialog
from tuilab.tui.widgets.choice import Choice
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines

CANCEL = "cancel"
_AROUND, _TIGHT_AROUND, _TIGHT_ROWS = 8, 5, 18
"""Rows beside fields, body and foot: border, title, space, answers, keys; without the space."""
_LEAST_BODY = 2


class Question(Dialog):
    """Says what will happen and waits for an answer; dismissed with it, with None for no."""

    BINDINGS = keys.DIALOG

    def __init__(
        self,
        title: str,
        lines: Sequence[Line],
        answers: Sequence[tuple[str, str]],
        commands: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._title = title
        self._body = tuple(lines)
        self._commands = tuple(commands)
        self._foot: tuple[Line, ...] = ()
        self._answers = [(CANCEL, "Cancel"), *answers]

    def compose(self) -> ComposeResult:
        """Title, fields, body that scrolls, foot, answers."""
        with Vertical(classes="window"):
            yield Lines(id="dialog-title")
            yield from self.fields()
            with VerticalScroll(id="dialog-scroll", can_focus=False):
                yield Lines(id="dialog-body")
            yield Lines(id="dialog-foot")
            yield Choice(self._answers)
        yield KeyBar(self.BINDINGS, self.tuilab.glyphs)

    def fields(self) -> ComposeResult:
        """Yield what can be typed into."""
        yield from ()

    def on_mount(self) -> None:
        """Show the words; the cursor stands on Cancel."""
        self.write("dialog-title", ((f" {self._title}", "title"),))
        self.show_foot(self.command_lines(self.foot_rows, *self._commands))
        self.show_body(self._body)
        self.query_one(Choice).focus()
        self.settle()

    def settle(self) -> None:
        """Prepare the dialog once its widgets are there."""

    def show_body(self, lines: Sequence[Line]) -> None:
        """Replace what is said."""
        self._body = tuple(lines)
        self.query_one("#dialog-body", Lines).show(lines)
        self._fit()

    def show_foot(self, lines: Sequence[Line]) -> None:
        """Replace what stands above the answers, as far as there is room."""
        self._foot = tuple(lines[: self.foot_rows])
        self.query_one("#dialog-foot", Lines).show(self._foot)
        self._fit()

    def on_resize(self) -> None:
        """Fit the parts to the new height."""
        self._fit()

    @property
    def _free_rows(self) -> int:
        """Rows for body and foot; a low terminal goes without the space between the parts."""
        rows = self.app.size.height
        return rows - len(self.query(Input)) - (_TIGHT_AROUND if rows < _TIGHT_ROWS else _AROUND)

    @property
    def foot_rows(self) -> int:
        """Rows that the foot may take."""
        return max(1, self._free_rows - _LEAST_BODY)

    def _fit(self) -> None:
        """Share the rows; the body scrolls where it has too few."""
        self.set_class(self.app.size.height < _TIGHT_ROWS, "-tight")
        rows = max(1, len(self._body))
        self.query_one("#dialog-body").styles.height = rows
        self.query_one("#dialog-foot").styles.height = len(self._foot)
        room = max(1, self._free_rows - len(self._foot))
        self.query_one("#dialog-scroll").styles.height = min(room, rows)

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)

    def action_scroll(self, step: int) -> None:
        """Read on."""
        self.query_one("#dialog-scroll").scroll_relative(y=step * 3, animate=False)

    @on(Choice.Taken)
    def _taken(self, event: Choice.Taken) -> None:
        if event.name == CANCEL:
            self.action_cancel()
        else:
            self.take(event.name)

    def take(self, answer: str) -> None:
        """Do what an answer means."""
        self.dismiss(answer)


class Form(Question):
    """A question with fields: what is typed is judged at once, the answer does what is shown."""

    BINDINGS = keys.FORM

    def __init__(self, title: str, fields: Mapping[str, str], answer: str) -> None:
        super().__init__(title, (), [(answer.lower(), answer)])
        self._placeholders = fields
        self._offer: RequestMade | None = None
        """What the answer asks for; None while something is missing."""

    def fields(self) -> ComposeResult:
        """Yield one labelled line per name."""
        for name, placeholder in self._placeholders.items():
            with Horizontal(classes="field"):
                yield Lines(id=f"label-{name}")
                field = Input(placeholder=placeholder, id=f"form-{name}")
                field.cursor_blink = False
                yield field

    def settle(self) -> None:
        """Begin with nothing typed, and let a person type at once."""
        for name in self._placeholders:
            self.write(f"label-{name}", ((f" {name}", "label"),))
        self.judge()
        self.action_edit()

    def typed(self, name: str) -> str:
        """Return what a field holds."""
        return self.query_one(f"#form-{name}", Input).value.strip()

    def judge(self) -> None:
        """Say what comes of what was typed, with ``offer`` or ``refuse``."""
        raise NotImplementedError

    def offer(self, lines: Iterable[str], request: Request, twin: str, said: str) -> None:
        """Show what the answer does, and the command that does the same."""
        self._offer = RequestMade(request, twin, said)
        self.show_foot(self.command_lines(self.foot_rows, twin))
        self._tell(lines)

    def refuse(self, lines: Iterable[str], why: str = "", role: str = "failed") -> None:
        """Say what is missing, or wrong."""
        self._offer = None
        rows = (row for line in why.splitlines() for row in self._wrapped(line))
        self.show_foot([((f" {row}", role),) for row in rows])
        self._tell(lines)

    def _tell(self, lines: Iterable[str]) -> None:
        self.show_body([((f" {row}", "text"),) for line in lines for row in self._wrapped(line)])

    def _wrapped(self, line: str) -> list[str]:
        return wrap(clean_line(line, 600), self.columns - 2)

    @on(Input.Changed)
    def _changed(self) -> None:
        self.judge()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        """Go on to the answer; while something is missing to the next field."""
        if self._offer is None:
            self.focus_next(Input)
        else:
            choice = self.query_one(Choice)
            choice.go(self._answers[-1][0])
            choice.focus()

    def action_go_on(self) -> None:
        """Go on from a field, or take the answer under the cursor."""
        choice = self.query_one(Choice)
        if choice.has_focus:
            choice.action_take()
        else:
            self._submitted()

    def action_edit(self) -> None:
        """Type into the first field."""
        self.query(Input).first().focus()

    def take(self, answer: str) -> None:
        """Ask for what is offered; where nothing is, go back to the fields."""
        if self._offer is None:
            self.action_edit()
        else:
            self.do(self._offer)

    def do(self, offer: RequestMade) -> None:
        """Ask the engine for it."""
        self.app.post_message(offer)
        self.dismiss(offer)
