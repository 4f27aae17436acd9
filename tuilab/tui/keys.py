"""Every key of every screen, with what it does; help, key bar and the docs are made from this."""

from __future__ import annotations

from textual.binding import Binding, BindingType


def _key(
    keys: str, action: str, short: str, long: str, name: str, *, bar: bool = False, sign: str = ""
) -> Binding:
    return Binding(keys, action, short, show=bar, key_display=sign or None, tooltip=long, id=name)


APP: list[BindingType] = [
    _key("question_mark", "help", "help", "show the keys of this screen", "app.help", sign="?"),
    _key(
        "colon,ctrl+p",
        "command_palette",
        "commands",
        "run any command by its name",
        "app.palette",
        sign=": ctrl+p",
    ),
    _key("1", "go('grid')", "grid", "go to the grid", "app.grid"),
    _key("2,p", "go('plots')", "plots", "go to the plots", "app.plots", sign="2 p"),
    _key("3,t", "go('table')", "table", "go to the headline table", "app.table", sign="3 t"),
    _key("4,u", "go('queue')", "queue", "go to queue and machine", "app.queue", sign="4 u"),
    _key(
        "5",
        "go('experiments')",
        "experiments",
        "go to the list of experiments",
        "app.experiments",
    ),
    _key("P", "pause", "pause", "pause (soft or hard) or resume the engine", "app.pause"),
    _key("S", "start_engine", "start engine", "start the engine, or let it go on", "app.engine"),
    _key("q", "leave", "leave", "leave; running work goes on", "app.leave"),
    Binding(
        "ctrl+c",
        "interrupt",
        "leave",
        show=False,
        priority=True,
        key_display="ctrl+c twice",
        tooltip="leave; running work goes on",
        id="app.interrupt",
    ),
    Binding(
        "ctrl+z",
        "suspend_process",
        "suspend",
        show=False,
        priority=True,
        key_display="ctrl+z",
        tooltip="suspend this screen only (fg brings it back)",
        id="app.suspend",
    ),
]

GRID: list[BindingType] = [
    _key("enter", "open", "open", "open the cell", "grid.open", bar=True, sign="↵"),
    _key(
        "r", "relaunch", "relaunch", "relaunch the cell, or all marked", "grid.relaunch", bar=True
    ),
    _key(
        "R",
        "relaunch_failed",
        "failed",
        "relaunch all failed, lost and suspect cells",
        "grid.relaunch-failed",
        bar=True,
    ),
    _key("x", "stop", "stop", "stop the cell, or all marked", "grid.stop"),
    _key("space", "mark", "mark", "mark the cell", "grid.mark", bar=True),
    _key("V", "mark_row", "row", "mark the row", "grid.mark-row"),
    _key("C", "mark_column", "column", "mark the column", "grid.mark-column"),
    _key(
        "shift+left",
        "stretch(0, -1)",
        "rectangle",
        "mark a rectangle",
        "grid.stretch-left",
        sign="shift+arrows",
    ),
    _key(
        "shift+right",
        "stretch(0, 1)",
        "rectangle",
        "mark a rectangle",
        "grid.stretch-right",
        sign="shift+arrows",
    ),
    _key(
        "shift+up",
        "stretch(-1, 0)",
        "rectangle",
        "mark a rectangle",
        "grid.stretch-up",
        sign="shift+arrows",
    ),
    _key(
        "shift+down",
        "stretch(1, 0)",
        "rectangle",
        "mark a rectangle",
        "grid.stretch-down",
        sign="shift+arrows",
    ),
    _key("o", "open", "log", "open the cell's log", "grid.log"),
    _key("F", "follow", "follow", "follow the log, or stand still", "grid.follow"),
    _key("m", "metric", "metric", "show the next metric", "grid.metric"),
    _key("s", "seeds", "seeds", "stack the seeds, their mean, or one seed", "grid.seeds"),
    _key("z", "zoom", "zoom", "value, two digits or one column per cell", "grid.zoom"),
    _key("O", "order", "order", "sort by config, name, peak or failures first", "grid.order"),
    _key("slash", "filter", "filter", "filter rows, states and epochs", "grid.filter", sign="/"),
    _key("h,left", "move(0, -1)", "left", "one cell to the left", "grid.left", sign="h ←"),
    _key("l,right", "move(0, 1)", "right", "one cell to the right", "grid.right", sign="l →"),
    _key("k,up", "move(-1, 0)", "up", "one row up", "grid.up", sign="k ↑"),
    _key("j,down", "move(1, 0)", "down", "one row down", "grid.down", sign="j ↓"),
    _key("pageup,ctrl+b", "page(-1)", "page up", "one page up", "grid.page-up", sign="pgup"),
    _key("pagedown,ctrl+f", "page(1)", "page down", "one page down", "grid.page-down", sign="pgdn"),
    _key("g,ctrl+home", "edge('top')", "top", "first row", "grid.top", sign="g"),
    _key("G,ctrl+end", "edge('bottom')", "bottom", "last row", "grid.bottom", sign="G"),
    _key("0,home", "edge('first')", "first", "first epoch", "grid.first", sign="0"),
    _key("dollar_sign,end", "edge('last')", "last", "last epoch", "grid.last", sign="$"),
    _key("e", "broken(1)", "next failure", "next failed, lost or suspect cell", "grid.next-broken"),
    _key(
        "E",
        "broken(-1)",
        "previous failure",
        "previous failed, lost or suspect cell",
        "grid.previous-broken",
    ),
    _key("y", "copy", "copy", "copy the command that names this cell", "grid.copy"),
    _key("escape", "back", "clear", "take back marks, then the filter", "grid.clear", sign="esc"),
    _key("p", "app.go('plots')", "plots", "go to the plots", "grid.plots", bar=True),
    _key("t", "app.go('table')", "table", "go to the headline table", "grid.table", bar=True),
    _key("u", "app.go('queue')", "queue", "go to queue and machine", "grid.queue", bar=True),
    _key(
        "5",
        "app.go('experiments')",
        "list",
        "go to the list of experiments",
        "grid.experiments",
        bar=True,
    ),
    _key(
        "question_mark",
        "app.help",
        "help",
        "show the keys of this screen",
        "grid.help",
        bar=True,
        sign="?",
    ),
]

_LIST: list[BindingType] = [
    _key("j,down", "step(1)", "down", "next line", "list.down", sign="j ↓"),
    _key("k,up", "step(-1)", "up", "line before", "list.up", sign="k ↑"),
    _key("pagedown,ctrl+f", "step(15)", "page", "page on", "list.page-down", sign="pgdn"),
    _key("pageup,ctrl+b", "step(-15)", "page", "page back", "list.page-up", sign="pgup"),
]
_EDGES: list[BindingType] = [
    _key("g,home", "edge(0)", "top", "first line", "list.top", sign="g"),
    _key("G,end", "edge(1000000)", "bottom", "last line", "list.bottom", sign="G"),
]
_BACK: list[BindingType] = [
    _key("escape", "app.back", "back", "go back", "list.back", bar=True, sign="esc"),
]
_HELP: list[BindingType] = [
    _key(
        "question_mark",
        "app.help",
        "help",
        "show the keys of this screen",
        "list.help",
        bar=True,
        sign="?",
    ),
]

QUEUE: list[BindingType] = [
    _key("enter", "open", "open", "open the job's cell", "queue.open", bar=True, sign="↵"),
    _key("K", "shift(-1)", "sooner", "move the job up the queue", "queue.up", bar=True),
    _key("J", "shift(1)", "later", "move the job down the queue", "queue.down", bar=True),
    _key("T", "first", "first", "move the job to the front", "queue.first", bar=True),
    _key("H", "hold", "hold", "hold the job back, or release it", "queue.hold", bar=True),
    _key("x", "stop", "stop", "stop the job, or take it out", "queue.stop", bar=True),
    *_LIST,
    *_EDGES,
    *_BACK,
    *_HELP,
]

EXPERIMENTS: list[BindingType] = [
    _key("enter", "open", "open", "open the experiment", "experiments.open", bar=True, sign="↵"),
    _key("space", "mark", "mark", "mark it for a comparison", "experiments.mark", bar=True),
    _key("c", "compare", "compare", "compare the two marked ones", "experiments.compare", bar=True),
    *_LIST,
    *_EDGES,
    _key("escape", "app.back", "back", "go back", "list.back", sign="esc"),
    *_HELP,
]

COMPARE: list[BindingType] = [
    _key("m", "metric", "metric", "compare the next metric", "compare.metric", bar=True),
    *_LIST,
    *_BACK,
    *_HELP,
]

PLOTS: list[BindingType] = [
    _key("enter", "open", "cell", "go to this cell on the grid", "plots.open", bar=True, sign="↵"),
    _key("tab,n", "kind(1)", "next", "next kind of plot", "plots.kind", bar=True, sign="tab"),
    _key("shift+tab,N", "kind(-1)", "plot", "kind of plot before", "plots.kind-back", sign="N"),
    _key("h,left", "along(-1)", "point", "point to the left", "plots.left", sign="h ←"),
    _key("l,right", "along(1)", "point", "point to the right", "plots.right", bar=True, sign="h/l"),
    _key("k,up", "between(-1)", "line", "line above; others dim", "plots.up", sign="k ↑"),
    _key(
        "j,down", "between(1)", "line", "line below; others dim", "plots.down", bar=True, sign="j/k"
    ),
    _key("0,home", "along(-1000000)", "first", "first point", "plots.first", sign="0"),
    _key("dollar_sign,end", "along(1000000)", "last", "last point", "plots.last", sign="$"),
    _key("left_square_bracket", "source(-1)", "source", "source before", "plots.before", sign="["),
    _key("right_square_bracket", "source(1)", "source", "next source", "plots.after", sign="]"),
    _key("i", "intervals", "intervals", "draw 95% intervals or not", "plots.intervals", bar=True),
    _key("e", "export", "export", "write PNG, PDF and CSV", "plots.export", bar=True),
    _key("f", "dim", "dim", "dim the other lines, or show all alike", "plots.focus", bar=True),
    *_BACK,
    *_HELP,
]

TABLE: list[BindingType] = [
    _key("enter", "open", "row", "go to this source on the grid", "table.open", bar=True, sign="↵"),
    _key("h,left", "column(-1)", "column", "column to the left", "table.left", sign="h ←"),
    _key(
        "l,right", "column(1)", "column", "column to the right", "table.right", bar=True, sign="h/l"
    ),
    _key("0,home", "column(-1000)", "first", "first column", "table.first", sign="0"),
    _key("dollar_sign,end", "column(1000)", "last", "last column", "table.last", sign="$"),
    _key("s", "sort", "sort", "sort by this column: down, up, as planned", "table.sort", bar=True),
    _key("f", "full", "more", "more columns, or fewer", "table.full", bar=True),
    _key("y", "copy", "copy", "copy the table as Markdown", "table.copy", bar=True),
    *_LIST,
    _key("g", "edge(0)", "top", "first line", "table.top", sign="g"),
    _key("G", "edge(1000000)", "bottom", "last line", "table.bottom", sign="G"),
    *_BACK,
    *_HELP,
]

CELL: list[BindingType] = [
    _key("tab", "tab(1)", "next", "next tab", "cell.tab", bar=True, sign="tab"),
    _key("shift+tab", "tab(-1)", "tab", "previous tab", "cell.tab-back"),
    _key("h,left", "stage(-1)", "stage", "stage before", "cell.stage-back", sign="h ←"),
    _key("l,right", "stage(1)", "stage", "next stage", "cell.stage", bar=True, sign="h/l"),
    _key(
        "left_square_bracket",
        "attempt(-1)",
        "attempt",
        "earlier attempt",
        "cell.earlier",
        bar=True,
        sign="[",
    ),
    _key("right_square_bracket", "attempt(1)", "attempt", "later attempt", "cell.later", sign="]"),
    _key(
        "H,shift+left", "neighbour(-1)", "cell", "cell at the epoch before", "cell.before", sign="H"
    ),
    _key(
        "L,shift+right", "neighbour(1)", "cell", "cell at the epoch after", "cell.after", sign="L"
    ),
    _key("r", "relaunch", "relaunch", "relaunch this cell", "cell.relaunch", bar=True),
    _key(
        "R",
        "relaunch_failed",
        "all failed",
        "relaunch all failed, lost and suspect cells",
        "cell.relaunch-failed",
    ),
    _key("x", "stop", "stop", "stop this cell", "cell.stop", bar=True),
    _key(
        "slash",
        "search",
        "search",
        "search the log or the completions",
        "cell.search",
        bar=True,
        sign="/",
    ),
    _key("n", "again(1)", "next", "next place found", "cell.next"),
    _key("N", "again(-1)", "previous", "previous place found", "cell.previous"),
    _key("F", "follow", "follow", "follow the log, or stand still", "cell.follow"),
    _key("w", "wrap", "wrap", "wrap long lines, or clip them", "cell.wrap", bar=True),
    _key(
        "d",
        "compare",
        "differences",
        "compare parameters with a neighbour or attempt",
        "cell.compare",
        bar=True,
    ),
    _key("f", "choose('persona')", "persona", "completions of the next persona", "cell.persona"),
    _key(
        "b", "choose('question')", "question", "completions of the next question", "cell.question"
    ),
    _key("i", "choose('hits')", "hits", "only completions with the marker", "cell.hits"),
    *_LIST,
    *_EDGES,
    _key("escape", "back", "back", "go back", "cell.back", bar=True, sign="esc"),
    *_HELP,
]
NEED_PLAN = frozenset(
    {
        *("grid.relaunch", "grid.relaunch-failed", "grid.stop"),
        *("cell.relaunch", "cell.relaunch-failed", "cell.stop"),
        *("queue.up", "queue.down", "queue.first", "queue.hold", "queue.stop"),
    }
)
"""Keys that do nothing where there are results only: the bar does not offer them there."""
SCREENS: dict[str, list[BindingType]] = {
    "grid": GRID,
    "cell": CELL,
    "plots": PLOTS,
    "table": TABLE,
    "queue": QUEUE,
    "experiments": EXPERIMENTS,
    "compare": COMPARE,
    "app": APP,
}
"""All keys by screen; the README's table is made of them."""
