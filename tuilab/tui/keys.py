"""Every key of every screen and dialog, with what it does; help, bars and docs are made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from textual.binding import Binding, BindingType


def _key(
    keys: str,
    action: str,
    short: str,
    long: str,
    sign: str = "",
    *,
    bar: bool = False,
    first: bool = False,
) -> Binding:
    """Bind keys to an action; ``sign`` is how they are shown, ``first`` before any field."""
    shown = sign or (keys if len(keys) == 1 else None)
    return Binding(keys, action, short, bar, shown, priority=first, tooltip=long)


def _of(group: str, *bindings: Binding) -> list[BindingType]:
    """Name bindings by their group and action, such as ``grid.relaunch``."""
    return [replace(one, id=f"{group}.{one.action}") for one in bindings]


_LIST = _of(
    "list",
    _key("j,down", "step(1)", "down", "next line", "j ↓"),
    _key("k,up", "step(-1)", "up", "previous line", "k ↑"),
    _key("pagedown,ctrl+f", "step(15)", "page", "page down", "pgdn"),
    _key("pageup,ctrl+b", "step(-15)", "page", "page up", "pgup"),
)
_EDGES = _of(
    "list",
    _key("g,home", "edge(0)", "top", "first line", "g"),
    _key("G,end", "edge(1000000)", "bottom", "last line", "G"),
)
_BACK = _of(
    "list",
    _key("escape", "app.back", "back", "go back", "esc", bar=True),
)
_HELP = _of(
    "list",
    _key("?", "app.help", "help", "show the keys of this screen", bar=True),
)
APP = _of(
    "app",
    _key("?", "help", "help", "show the keys of this screen"),
    _key(":,ctrl+p", "command_palette", "commands", "run any command by name", ": ctrl+p"),
    _key("1", "go('grid')", "grid", "go to the grid"),
    _key("2,p", "go('plots')", "plots", "go to the plots", "2 p"),
    _key("3,t", "go('table')", "table", "go to the headline table", "3 t"),
    _key("4,u", "go('queue')", "queue", "go to the queue and machine", "4 u"),
    _key("5", "go('experiments')", "experiments", "go to the list of experiments"),
    _key("6,v", "go('history')", "history", "go to the history", "6 v"),
    _key("ctrl+o", "edit_config", "config", "edit experiment.toml in $EDITOR"),
    _key("P", "pause", "pause", "pause (soft or hard) or resume the engine"),
    _key("S", "start_engine", "start engine", "start the engine, or let it continue"),
    _key("q", "leave", "leave", "leave; running work continues"),
    _key(
        "ctrl+c", "interrupt", "leave", "leave; running work continues", "ctrl+c twice", first=True
    ),
    _key("ctrl+z", "suspend_process", "suspend", "suspend the app (fg brings it back)", first=True),
)
GRID = _of(
    "grid",
    _key("enter", "open", "open", "open the cell at its results", "↵", bar=True),
    _key("r", "relaunch", "relaunch", "relaunch the cell or all marked cells", bar=True),
    _key(
        "R",
        "relaunch_failed",
        "all",
        "relaunch all failed cells, or all stale ones",
        bar=True,
    ),
    _key("space", "mark", "mark", "mark the cell", bar=True),
    _key("p", "app.go('plots')", "plots", "go to the plots", bar=True),
    _key("t", "app.go('table')", "table", "go to the headline table", bar=True),
    _key("u", "app.go('queue')", "queue", "go to the queue and machine", bar=True),
    _key("5", "app.go('experiments')", "list", "go to the list of experiments", bar=True),
    _key("x", "stop", "stop", "stop the cell or all marked cells", bar=True),
    _key("A", "accept", "accept", "accept the stale results of the cell or all marked cells"),
    _key("n", "note", "note", "write a note or tags on the cell or all marked cells", bar=True),
    _key("+", "grow", "grow", "add sources, epochs or seeds to the grid", bar=True),
    _key("V", "mark_row", "row", "mark the row"),
    _key("C", "mark_column", "column", "mark the column"),
    _key("shift+left", "stretch(0, -1)", "rectangle", "mark a rectangle", "shift+arrows"),
    _key("shift+right", "stretch(0, 1)", "rectangle", "mark a rectangle", "shift+arrows"),
    _key("shift+up", "stretch(-1, 0)", "rectangle", "mark a rectangle", "shift+arrows"),
    _key("shift+down", "stretch(1, 0)", "rectangle", "mark a rectangle", "shift+arrows"),
    _key("o", "open_log", "log", "read the cell's log in $PAGER"),
    _key("F", "follow", "follow", "follow the log, or stop following"),
    _key("m", "metric", "metric", "show the next metric", bar=True),
    _key("s", "seeds", "seeds", "show all seeds, their mean, or one seed"),
    _key("f", "variants", "variants", "fold the variants of each source, or unfold them"),
    _key("z", "zoom", "zoom", "zoom: value, two digits or one column per cell"),
    _key("c", "tint", "colours", "colour cells by value, or not"),
    _key("O", "order", "order", "sort by config order, name, peak or failures"),
    _key("/", "filter", "filter", "filter rows, states and epochs", bar=True),
    _key("h,left", "move(0, -1)", "left", "one cell to the left", "h ←"),
    _key("l,right", "move(0, 1)", "right", "one cell to the right", "l →"),
    _key("k,up", "move(-1, 0)", "up", "one row up", "k ↑"),
    _key("j,down", "move(1, 0)", "down", "one row down", "j ↓"),
    _key("pageup,ctrl+b", "page(-1)", "page up", "one page up", "pgup"),
    _key("pagedown,ctrl+f", "page(1)", "page down", "one page down", "pgdn"),
    _key("g,ctrl+home", "end('top')", "top", "first row", "g"),
    _key("G,ctrl+end", "end('bottom')", "bottom", "last row", "G"),
    _key("0,home", "end('first')", "first", "first epoch", "0"),
    _key("$,end", "end('last')", "last", "last epoch", "$"),
    _key("e", "broken(1)", "next failure", "next failed, lost or suspect cell", bar=True),
    _key("E", "broken(-1)", "previous failure", "previous failed, lost or suspect cell"),
    _key("y", "copy", "copy", "copy the value with its interval", bar=True),
    _key("Y", "copy_command", "command", "copy the command line for this cell"),
    _key("escape", "back", "clear", "clear the marks, then the filter", "esc"),
    _key("?", "app.help", "help", "show the keys of this screen", bar=True),
)
QUEUE = [
    *_of(
        "queue",
        _key("enter", "open", "open", "open the job's cell", "↵", bar=True),
        _key("K", "shift(-1)", "sooner", "move the job up the queue", bar=True),
        _key("J", "shift(1)", "later", "move the job down the queue", bar=True),
        _key("T", "first", "first", "move the job to the front", bar=True),
        _key("H", "hold", "hold", "hold the job, or release it", bar=True),
        _key("x", "stop", "stop", "stop the job, or take it off the queue", bar=True),
        _key("y", "copy", "copy", "copy the command for the job's log"),
    ),
    *_LIST,
    *_EDGES,
    *_BACK,
    *_HELP,
]
HISTORY = [
    *_of(
        "history",
        _key("enter", "open", "open", "open the cell of this line", "↵", bar=True),
        _key("/", "filter", "filter", "show only lines with these words", bar=True),
        _key("y", "copy", "copy", "copy the line"),
        _key("escape", "back", "back", "clear the filter, or go back", "esc", bar=True),
    ),
    *_LIST,
    *_EDGES,
    *_HELP,
]
EXPERIMENTS: list[BindingType] = [
    *_of(
        "experiments",
        _key("enter", "open", "open", "open the experiment", "↵", bar=True),
        _key("space", "mark", "mark", "mark it to compare", bar=True),
        _key("c", "compare", "compare", "compare the two marked experiments", bar=True),
        _key("/", "filter", "filter", "show only names and states with these words", bar=True),
        _key("s", "sort", "sort", "sort by activity, name, progress or failures", bar=True),
        _key("M", "rename", "rename", "rename it", bar=True),
        _key("Z", "archive", "archive", "move it to archive/, out of this list", bar=True),
        _key("D", "delete", "delete", "delete it; what and how much is shown first", bar=True),
        _key("y", "copy", "copy", "copy the command that opens it"),
        _key("escape", "back", "back", "clear the filter, or go back", "esc"),
    ),
    *_LIST,
    *_EDGES,
    *_HELP,
]
COMPARE = [
    *_of(
        "compare",
        _key("enter", "open", "second", "open this cell of the second experiment", "↵", bar=True),
        _key("o", "open_first", "first", "open this cell of the first experiment", bar=True),
        _key("h,left", "along(-1)", "epoch", "previous epoch", "h ←"),
        _key("l,right", "along(1)", "epoch", "next epoch", "h/l", bar=True),
        _key("m", "metric", "metric", "compare the next metric", bar=True),
        _key("y", "copy", "copy", "copy both values and their difference", bar=True),
    ),
    *_LIST,
    *_EDGES,
    *_BACK,
    *_HELP,
]
PLOTS = [
    *_of(
        "plots",
        _key("enter", "open", "cell", "go to this cell on the grid", "↵", bar=True),
        _key("tab,n", "kind(1)", "next", "next kind of plot", "tab", bar=True),
        _key("shift+tab,N", "kind(-1)", "plot", "previous kind of plot", "N"),
        _key("h,left", "along(-1)", "point", "previous point", "h ←"),
        _key("l,right", "along(1)", "point", "next point", "h/l", bar=True),
        _key("k,up", "between(-1)", "line", "line above; others dim", "k ↑"),
        _key("j,down", "between(1)", "line", "line below; others dim", "j/k", bar=True),
        _key("0,home", "along(-1000000)", "first", "first point", "0"),
        _key("$,end", "along(1000000)", "last", "last point", "$"),
        _key("[", "source(-1)", "source", "previous source"),
        _key("]", "source(1)", "source", "next source"),
        _key("i", "intervals", "intervals", "show or hide 95% intervals", bar=True),
        _key("e", "export", "export", "write PNG, PDF and CSV", bar=True),
        _key("f", "dim", "dim", "dim the other lines, or show all", bar=True),
    ),
    *_BACK,
    *_HELP,
]
TABLE = [
    *_of(
        "table",
        _key("enter", "open", "row", "go to this source on the grid", "↵", bar=True),
        _key("h,left", "column(-1)", "column", "previous column", "h ←"),
        _key("l,right", "column(1)", "column", "next column", "h/l", bar=True),
        _key("0,home", "column(-1000)", "first", "first column", "0"),
        _key("$,end", "column(1000)", "last", "last column", "$"),
        _key("s", "sort", "sort", "sort by this column: down, up, config order", bar=True),
        _key("f", "full", "more", "show more or fewer columns", bar=True),
        _key("y", "copy", "copy", "copy the table as Markdown", bar=True),
        _key("g", "edge(0)", "top", "first line"),
        _key("G", "edge(1000000)", "bottom", "last line"),
    ),
    *_LIST,
    *_BACK,
    *_HELP,
]
CELL = [
    *_of(
        "cell",
        _key("tab", "tab(1)", "next", "next tab", bar=True),
        _key("shift+tab", "tab(-1)", "tab", "previous tab"),
        _key("h,left", "stage(-1)", "stage", "previous stage", "h ←"),
        _key("l,right", "stage(1)", "stage", "next stage", "h/l", bar=True),
        _key("[", "attempt(-1)", "attempt", "earlier attempt", bar=True),
        _key("]", "attempt(1)", "attempt", "later attempt"),
        _key("H,shift+left", "neighbour(-1)", "cell", "same cell, previous epoch", "H"),
        _key("L,shift+right", "neighbour(1)", "cell", "same cell, next epoch", "L"),
        _key("r", "relaunch", "relaunch", "relaunch this cell", bar=True),
        _key("R", "relaunch_failed", "all", "relaunch all failed cells, or all stale ones"),
        _key("x", "stop", "stop", "stop this cell", bar=True),
        _key("A", "accept", "accept", "accept this cell's stale result"),
        _key("/", "search", "search", "search the log or the completions", bar=True),
        _key("n", "again_or_note", "next", "next match; without a search, write a note"),
        _key("N", "again(-1)", "previous", "previous match"),
        _key("F", "follow", "follow", "follow the log, or stop following"),
        _key("w", "wrap", "wrap", "wrap or cut long lines", bar=True),
        _key("o", "outside('pager')", "pager", "read what the tab shows in $PAGER", bar=True),
        _key("O", "outside('editor')", "editor", "open a copy of it in $EDITOR"),
        _key("y", "copy", "copy", "copy the line or completion under the cursor", bar=True),
        _key(
            "d",
            "compare",
            "differences",
            "compare parameters or completions with another epoch or attempt",
            bar=True,
        ),
        _key("f", "choose('persona')", "persona", "completions of the next persona", bar=True),
        _key("b", "choose('question')", "question", "completions of the next question", bar=True),
        _key("i", "choose('hits')", "hits", "only completions with the marker"),
        _key("escape", "back", "back", "go back", "esc", bar=True),
    ),
    *_LIST,
    *_EDGES,
    *_HELP,
]
DIALOG = _of(
    "dialog",
    _key("escape,q", "cancel", "cancel", "change nothing", "esc", bar=True),
    _key("tab", "app.focus_next", "next answer", "next answer", "h/l", bar=True),
    _key("pagedown,j,down", "scroll(1)", "down", "scroll down"),
    _key("pageup,k,up", "scroll(-1)", "up", "scroll up"),
    _key("?", "app.help", "help", "show the keys of this dialog", bar=True),
)
RELAUNCH = _of(
    "relaunch",
    _key("escape,q", "cancel", "cancel", "change nothing", "esc", bar=True),
    _key("c", "scope", "cells", "these cells, all that failed, all that is stale", bar=True),
    _key("e", "edit", "edit", "edit a setting for these cells", bar=True),
    _key("f", "stage", "from stage", "start from another stage", bar=True),
    _key(
        "a",
        "as_planned",
        "as planned",
        "take back earlier edits of these cells, or keep them",
        bar=True,
    ),
    _key("tab", "app.focus_next", "next", "next part", bar=True),
    _key("pagedown,j,down", "scroll(1)", "scroll", "scroll down", "j/k", bar=True),
    _key("pageup,k,up", "scroll(-1)", "up", "scroll up"),
    _key("?,f1", "app.help", "help", "show the keys of this dialog", "?", bar=True),
)
FORM = _of(
    "form",
    _key("escape", "cancel", "cancel", "change nothing", "esc", bar=True),
    _key("enter", "go_on", "go on", "move to the answer, then take it", "↵", bar=True),
    _key("tab", "app.focus_next", "next", "next field", bar=True),
    _key("e", "edit", "edit", "type into the fields"),
    _key("pagedown,j,down", "scroll(1)", "scroll", "scroll down", "pgdn", bar=True),
    _key("pageup,k,up", "scroll(-1)", "up", "scroll up"),
    _key("f1,?", "app.help", "help", "show the keys of this dialog", "f1", bar=True),
)
HELP = _of(
    "help",
    _key("escape", "back", "back", "clear the search, or go back", "esc", bar=True),
    _key("q,?", "app.pop_screen", "back", "go back", "q"),
    _key("/", "search", "search", "search keys and signs", bar=True),
    _key("j,down", "step(1)", "down", "next line", "j ↓", bar=True),
    _key("k,up", "step(-1)", "up", "previous line", "k ↑", bar=True),
    _key("pagedown,space,ctrl+f", "step(10)", "page down", "page down", "pgdn", bar=True),
    _key("pageup,ctrl+b", "step(-10)", "page up", "page up", "pgup", bar=True),
    _key("g,home", "edge(0)", "first", "first line", "g", bar=True),
    _key("G,end", "edge(1000000)", "last", "last line", "G", bar=True),
)

NEED_PLAN = frozenset(
    {
        *("grid.relaunch", "grid.relaunch_failed", "grid.stop", "grid.accept", "grid.grow"),
        "grid.note",
        *("cell.relaunch", "cell.relaunch_failed", "cell.stop", "cell.accept"),
        *("queue.shift(-1)", "queue.shift(1)", "queue.first", "queue.hold", "queue.stop"),
    }
)
"""Keys that do nothing where there are results only: the bar does not offer them there."""
NEED_BROKEN = frozenset({"grid.relaunch_failed", "cell.relaunch_failed"})
"""Keys that do nothing where nothing is failed, lost, suspect or stale."""
SCREENS = {
    "grid": GRID,
    "cell": CELL,
    "plots": PLOTS,
    "table": TABLE,
    "queue": QUEUE,
    "history": HISTORY,
    "experiments": EXPERIMENTS,
    "compare": COMPARE,
    "app": APP,
}
"""All keys by screen; the README's table is made of them."""
DIALOGS = {"dialog": DIALOG, "relaunch": RELAUNCH, "form": FORM, "help": HELP}
"""All keys of what stands over a screen."""


def rebound(bindings: Iterable[BindingType], chosen: Mapping[str, str]) -> list[BindingType]:
    """Return bindings with the keys that a person chose; for bars and tables."""
    return [
        replace(one, key=chosen[one.id or ""], key_display=None)
        if isinstance(one, Binding) and one.id in chosen
        else one
        for one in bindings
    ]
