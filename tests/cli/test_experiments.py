"""Plans are made again when config or code has changed, whoever holds the experiment."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.small_grid import wait_until, write_config
from tuilab.cli.experiments import make_experiment, take_changes_in
from tuilab.engine.answer_requests import answer_line
from tuilab.engine.decide.requests import Known, answer
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.ledger import Ledger
from tuilab.store import requests
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.lease import held
from tuilab.store.plan_file import load_plan
from tuilab.store.read_state import read_state
from tuilab.store.replan import read_config


def answer_as_before_grids_could_grow(layout: Layout) -> None:
    """Answer one request by the table of verbs alone, as an engine that knows no ``grow`` does."""
    wait_until(lambda: bool(requests.pending(layout, time.time())))
    [request] = requests.pending(layout, time.time())
    given = answer(request, Known(read_state(layout.root), Ledger()))
    Journal(layout).append(**answer_line(request, given))
    requests.discard(layout, request.id)


def test_an_engine_of_an_older_tuilab_keeps_its_plan_and_the_shell_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, root = write_config(tmp_path), tmp_path / "micro"
    before = make_experiment(read_config(config), root)
    layout = Layout(root)
    text = layout.config.read_text()
    layout.config.write_text(text.replace("[eval]\nsamples = 2", "[eval]\nsamples = 3"))
    with held(layout) as lease:
        lease.heartbeat(EngineView(state=EngineState.RUNNING), time.time())
        engine = Thread(target=answer_as_before_grids_could_grow, args=(layout,))
        engine.start()
        kept = take_changes_in(root)
        engine.join()
    said = capsys.readouterr().err
    assert "the engine is of an older tuilab and keeps its plan until it is started again" in said
    assert kept == load_plan(root) == before
