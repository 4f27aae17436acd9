"""Keeps the numbers of the open experiment, computed in a thread and shared by the screens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tuilab.grid.states import BROKEN, WITH_RESULT, State
from tuilab.store.snapshot import Snapshot

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure
    from tuilab.study.study import Study

T = TypeVar("T")
Evidence = tuple[object, ...]
_COUNTED = BROKEN | WITH_RESULT | {State.STOPPED}


def evidence_of(snapshot: Snapshot) -> Evidence:
    """Return what the numbers depend on: equal evidence, equal numbers; progress is none."""
    cells = tuple(
        (view.cell, view.state, view.attempt)
        for view in snapshot.cells
        if view.metrics or view.state in _COUNTED
    )
    return (snapshot.root, len(snapshot.cells), cells)


class AnalysisCache:
    """One study at a time; whoever asks for the same evidence shares the computation."""

    def __init__(self) -> None:
        self.evidence: Evidence = ()
        """What the newest study was computed from."""
        self.study: Study | None = None
        self._asked: tuple[Evidence, Future[Study]] | None = None
        self._figures: dict[tuple[str, str], Figure] = {}

    def opened(self, snapshot: Snapshot) -> Future[Study]:
        """Begin to compute the numbers of a snapshot, or join whoever began."""
        evidence = evidence_of(snapshot)
        if self._asked is not None and self._asked[0] == evidence and not _failed(self._asked[1]):
            return self._asked[1]
        root = snapshot.root
        future = in_thread(lambda: _computed(root))
        self._asked = (evidence, future)
        return future

    def keep(self, evidence: Evidence, study: Study) -> None:
        """Take the newest numbers; figures of the older ones go."""
        if study is not self.study:
            self.evidence, self.study = evidence, study
            self._figures = {}

    def figure(self, kind: str, source: str) -> Figure | None:
        """Return a figure that was prepared from the newest numbers."""
        return self._figures.get(_name(kind, source))

    def prepared(self, kind: str, source: str) -> Future[Figure]:
        """Prepare a figure in a thread; ``source`` matters to the heatmap alone."""
        study = self.study
        if study is None:
            raise RuntimeError("there are no numbers yet")

        def prepare() -> Figure:
            made = study.figure(kind, source if kind == "heatmap" else None)
            if study is self.study:
                self._figures[_name(kind, source)] = made
            return made

        return in_thread(prepare)


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Run work in a thread that does not keep the program from ending."""
    future: Future[T] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:  # told to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="numbers", daemon=True).start()
    return future


def _failed(future: Future[Study]) -> bool:
    return future.cancelled() or (future.done() and future.exception() is not None)


def _name(kind: str, source: str) -> tuple[str, str]:
    return kind, source if kind == "heatmap" else ""


def _computed(root: Path) -> Study:
    """Everything that takes long, imports included, so that the screen stays awake."""
    from tuilab.study.study import open_study

    study = open_study(root)
    _ = study.analysis
    return study
