"""The grid in plain text: values, states, what went wrong."""

from __future__ import annotations

from typing import Any

from tuilab.cli.status_text import as_text, grid, metric_tables


def cell(state: str, value: float | None = None, **more: Any) -> dict[str, Any]:
    measured = None if value is None else {"value": value, "hits": round(50 * value), "n": 50}
    return {
        "source": "villain",
        "epoch": 0,
        "seed": 42,
        "state": state,
        "stage": "eval",
        "reason": None,
        "detail": "",
        "attempt": 1,
        "metrics": {"assistant_leakage": measured, "source_rate": None},
        **more,
    }


def test_missing_is_n_a_and_never_zero() -> None:
    [_, row] = grid([cell("done"), cell("done", 0.0, epoch=2)])
    assert row.split() == ["villain", "n/a", "0%"]
    lines = list(metric_tables({"cells": [cell("done", 0.5), cell("failed", epoch=2)]}))
    assert lines[0].split() == ["assistant", "leakage,", "epoch", "0", "2"]
    assert lines[1].split() == ["villain", "50%", "(25/50)", "n/a"]


def test_states_have_their_glyphs_and_stale_its_tilde() -> None:
    states = ["running", "failed", "queued", "waiting", "idle", "lost", "suspect", "stopped"]
    cells = [cell(state, epoch=n) for n, state in enumerate(states)]
    [_, row] = grid([*cells, cell("stale", 0.41, epoch=99)])
    assert row.split()[1:] == ["◐", "✗", "○", "◌", "·", "!", "?", "■", "~41%"]


def test_seeds_have_rows_of_their_own() -> None:
    lines = list(grid([cell("done", 0.1), cell("done", 0.2, seed=137)]))
    assert [line.split()[:2] for line in lines[1:]] == [["villain", "#42"], ["villain", "#137"]]


def test_status_names_what_is_wrong_and_cleans_foreign_text() -> None:
    failed = cell("failed", reason="gpu-oom", detail="\x1b[31mCUDA [/b] out of memory\x1b[0m")
    engine = {"state": "stopped", "pid": None, "host": None, "eta_seconds": None, "note": ""}
    text = "\n".join(
        as_text(
            {
                "experiment": "x\x1b]52;c;aGk=\x07",
                "root": "runs/x",
                "engine": engine,
                "counts": {"failed": 1},
                "cells": [failed],
                "problems": ["journal.jsonl is cut"],
            }
        )
    )
    assert "\x1b" not in text
    assert "✗ villain@0#42 failed in eval (gpu-oom), attempt 1: CUDA [/b] out of memory" in text
    assert "`tuilab run runs/x` starts it" in text
    assert "problem: journal.jsonl is cut" in text


def test_status_counts_and_names_failed_shared_jobs() -> None:
    engine = {"state": "stopped", "pid": None, "host": None, "eta_seconds": None, "note": ""}
    failed = {
        "job": "data/villain",
        "stage": "data",
        "state": "failed",
        "reason": "code",
        "detail": "no module named torch",
        "attempt": 2,
        "cells_waiting": 4,
    }
    text = list(
        as_text(
            {
                "experiment": "x",
                "root": "runs/x",
                "engine": engine,
                "counts": {"waiting": 1},
                "jobs_failed": [failed],
                "cells": [cell("waiting")],
            }
        )
    )
    assert text[0] == "x  waiting 1  shared jobs failed 1"
    assert text[-1] == (
        "✗ data/villain failed (code), attempt 2: no module named torch; 4 cells wait for it"
    )


def test_what_holds_results_only_is_not_told_to_start_an_engine() -> None:
    [_, engine, *_] = as_text(
        {
            "experiment": "published",
            "root": "x",
            "read_only": True,
            "engine": {"state": "stopped"},
            "counts": {"done": 1},
            "cells": [cell("done", 0.5)],
        }
    )
    assert "tuilab run" not in engine
