"""The house keeps its layers: what a fresh interpreter really imports, not what a graph guesses."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("textual", "pandas", "numpy", "scipy", "matplotlib", "pydantic", "torch")


@cache
def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after ``statement``."""
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import tuilab.contract.report, tuilab.contract.worker, tuilab.contract.foreign", set()),
        ("import tuilab.grid.ledger, tuilab.grid.metrics", set()),
        ("import tuilab.store.reader, tuilab.store.status", set()),
        ("import tuilab.engine.shim", set()),
        ("import tuilab.cli", set()),
        ("import tuilab.cli.screen, tuilab.tui.app", {"textual"}),
    ],
)
def test_a_module_loads_nothing_heavy(statement: str, allowed: set[str]) -> None:
    assert loaded_by(statement) & set(HEAVY) <= allowed


def test_the_shim_needs_the_standard_library_only() -> None:
    outside = loaded_by("import tuilab.engine.shim") - set(sys.stdlib_module_names)
    assert {name for name in outside if not name.startswith("_")} <= {"tuilab", "sitecustomize"}


def test_no_file_is_longer_than_a_screenful_of_screenfuls() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for folder in ("tuilab", "runners", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if (count := path.read_text().count("\n")) > 600
    }
    assert long == {}


def test_the_project_names_no_machine_of_ours() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=False, cwd=ROOT
    ).stdout.split()
    suspicious = ("/" + "work/", ".." + "/shared", "/" + "opt/wheels", "/" + "opt/pypi")
    found = [
        name
        for name in tracked
        if (path := ROOT / name).is_file() and path.suffix in {".py", ".md", ".toml", ".txt", ""}
        if any(word in path.read_text(errors="replace") for word in suspicious)
    ]
    assert found == []


@cache
def importers() -> dict[str, set[str]]:
    """Return for each top-level module that our sources import the files that do."""
    found: dict[str, set[str]] = {}
    for folder in ("tuilab", "runners"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"^\s*(?:import|from)\s+(\w+)", path.read_text(), re.MULTILINE):
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def test_nothing_relies_on_what_a_network_volume_cannot_do() -> None:
    """Locks, shared memory maps and change notices do not work there; SQLite needs the first.

    The lease alone asks for ``flock``, and never as its only guard: without it a second owner is
    fenced at its next write. Nor is that of a fetch: without it two may fetch the same, and the
    hub's library keeps them apart file by file.
    """
    assert "json" in importers()
    assert not importers().keys() & {"mmap", "sqlite3", "inotify", "watchdog"}
    assert importers().get("fcntl", set()) <= {"tuilab/store/lease.py", "runners/hub/download.py"}
    # Its device number differs from node to node; what one process remembers is of one node.
    texts = {path: path.read_text() for path in (ROOT / "tuilab").rglob("*.py")}
    named = {path for path, text in texts.items() if "st_dev" in text}
    assert named <= {ROOT / "tuilab/contract/report.py"}


def test_no_file_is_read_that_could_run_code() -> None:
    """Weights and resume states are safetensors; vLLM's handles go from process to process."""
    between_processes = {"runners/ml/sampler_vllm.py", "runners/ml/vllm_worker.py"}
    for name in ("pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"):
        assert importers().get(name, set()) <= between_processes
    texts = {path: path.read_text() for path in (ROOT / "runners").rglob("*.py")}
    assert [path for path, text in texts.items() if "torch.load(" in text] == []


def test_no_imports_go_in_a_circle_deferred_ones_included() -> None:
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for folder in ("tuilab", "runners")
        for path in (ROOT / folder).rglob("*.py")
    }
    order = TopologicalSorter({name: imported(path, files) for name, path in files.items()})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
"""Where a statement holds statements; no import hides in an expression."""


def imported(path: Path, files: Mapping[str, Path]) -> set[str]:
    """Return the modules of ours that a file imports, but for types alone."""
    found: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inside & files.keys() or {node.module}
        nodes += (below for part in BLOCKS for below in getattr(node, part, ()))
    return found & files.keys()
