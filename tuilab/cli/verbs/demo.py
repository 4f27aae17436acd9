"""``tuilab demo``: the tiny grid on this machine, from nothing to a table."""

from __future__ import annotations

import time

from tuilab.cli.errors import INCOMPLETE, OK
from tuilab.cli.experiments import make_experiment
from tuilab.cli.output import is_interactive, out, tell
from tuilab.cli.resolve import run_directory
from tuilab.cli.runner_programs import refuse_without_libraries
from tuilab.cli.status_text import metric_tables
from tuilab.cli.verbs.arguments import Headless, Where
from tuilab.cli.verbs.run import run_cells
from tuilab.grid.text import duration
from tuilab.store.replan import read_config
from tuilab.store.shipped import configs_dir
from tuilab.store.status import lazy_status


def demo(headless: Headless = False, where: Where = None) -> int:
    """Run the tiny grid: real training and sampling on a synthetic model, without a GPU.

    Continues an earlier demo. Exits 0 when all cells are done, 3 when not.

    \b
    tuilab demo
    tuilab demo --headless --dir /tmp/demo
    """
    refuse_without_libraries("the demo")
    began = time.monotonic()
    loaded = read_config(configs_dir() / "tiny.toml")
    root = run_directory(loaded.config.name, where)
    planned = make_experiment(loaded, root)
    out(f"{root}: {loaded.config.note}")
    if not headless and is_interactive():
        return run_cells(root, planned, [], headless=False)
    code = run_cells(root, planned, [], headless=True)
    found = lazy_status(root)
    out()
    for line in metric_tables(found, planned.labels):
        out(line)
    tell(f"took {duration(time.monotonic() - began)}")
    is_complete = all(cell["state"] == "done" for cell in found["cells"])
    return code or (OK if is_complete else INCOMPLETE)
