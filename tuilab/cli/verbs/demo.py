"""``tuilab demo``: the tiny grid on this machine, from nothing to a table."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from tuilab.cli.errors import INCOMPLETE, OK, RefusalError
from tuilab.cli.experiments import make_experiment
from tuilab.cli.output import is_interactive, out, tell
from tuilab.cli.resolve import run_directory
from tuilab.cli.runner_programs import refuse_without_libraries
from tuilab.cli.status_text import metric_tables
from tuilab.cli.verbs.arguments import Headless, Where
from tuilab.cli.verbs.run import run_cells
from tuilab.grid.config_text import change_config
from tuilab.grid.jobs import Plan
from tuilab.grid.text import duration
from tuilab.store.plan_file import PlanFileError, load_plan
from tuilab.store.replan import read_config
from tuilab.store.shipped import configs_dir
from tuilab.store.status import lazy_status


def demo(
    headless: Headless = False,
    where: Where = None,
    rebuild_base: Annotated[
        bool,
        typer.Option("--rebuild-base", help="Build the tiny base again first (about 2 minutes)."),
    ] = False,
) -> int:
    """Run the tiny grid: real training and sampling on a synthetic model, without a GPU.

    Continues an earlier demo. Exits 0 when all cells are done, 3 when not.

    \b
    tuilab demo
    tuilab demo --headless --dir /tmp/demo
    """
    refuse_without_libraries("the demo")
    began = time.monotonic()
    loaded = read_config(configs_dir() / "tiny.toml")
    name = loaded.config.name
    if rebuild_base:
        name = f"{name}-rebuilt"
        loaded = change_config(loaded, {"name": name, "base.path": str(_build_base())})
    root = run_directory(name, where)
    planned = make_experiment(loaded, root)
    out(f"{root}: {loaded.config.note}")
    if not headless and is_interactive():
        return run_cells(root, planned, [], headless=False)
    code = _run_headless(root, planned)
    tell(f"took {duration(time.monotonic() - began)}")
    return code


def _run_headless(root: Path, planned: Plan) -> int:
    code = run_cells(root, planned, [], headless=True)
    found = lazy_status(root)
    out()
    for line in metric_tables(found, _labels_of(root)):
        out(line)
    is_complete = all(cell["state"] == "done" for cell in found["cells"])
    return code or (OK if is_complete else INCOMPLETE)


def _build_base() -> Path:
    """Build a tiny base into the cache folder, return its directory; RefusalError if it fails."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path(platformdirs.user_cache_dir("tuilab")) / f"tiny-base-{stamp}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    tell(f"building a tiny base in {folder}")
    command = [sys.executable, "-m", "runners.tinybase.build", "--out", str(folder)]
    # Its lines go to stderr: stdout is for the result.
    if subprocess.run(command, check=False, stdout=sys.stderr.fileno()).returncode:
        raise RefusalError(f"the build failed its own checks; {folder} is kept to look at")
    return folder


def _labels_of(root: Path) -> dict[str, str]:
    """Return the labels of an experiment's personas; {} where there is no plan."""
    try:
        return dict(load_plan(root).labels)
    except PlanFileError:
        return {}
