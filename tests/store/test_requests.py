"""Wishes arrive once, in order, and broken ones are kept aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuilab.grid.request import Request
from tuilab.store.layout import Layout
from tuilab.store.quarantine import quarantined
from tuilab.store.requests import discard, leave, pending, waiting

from .scene import NOW


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_a_request_comes_back_as_it_was_left(layout: Layout) -> None:
    wish = Request(
        "relaunch", ("villain@10#42",), ("eval/villain@10#42",), "eval", {"marker.lr": 1e-5}, "me"
    )
    name = leave(layout, wish, at=NOW)
    [found] = pending(layout)
    assert (found.id, found.at) == (name, NOW)
    assert (found.verb, found.cells, found.jobs, found.from_stage, found.sets, found.by) == (
        wish.verb,
        wish.cells,
        wish.jobs,
        wish.from_stage,
        wish.sets,
        wish.by,
    )


def test_requests_come_in_the_order_of_leaving(layout: Layout) -> None:
    for number in (3, 1, 2):
        leave(layout, Request(f"verb-{number}"), at=NOW + number)
    assert [request.verb for request in pending(layout)] == ["verb-1", "verb-2", "verb-3"]
    assert waiting(layout) == 3


def test_a_discarded_request_is_gone_and_may_be_discarded_again(layout: Layout) -> None:
    name = leave(layout, Request("run"))
    for _ in range(2):
        discard(layout, name)
    assert pending(layout) == []


def test_no_request_at_all_is_no_error(layout: Layout) -> None:
    assert pending(layout) == []
    assert waiting(layout) == 0


def test_a_request_cut_at_any_byte_goes_to_quarantine_with_the_reason(layout: Layout) -> None:
    path = layout.requests / f"{leave(layout, Request('run', ('a@0#1',)))}.json"
    whole = path.read_bytes()
    other = leave(layout, Request("stop"))
    cuts = range(0, len(whole) - 2, 4)
    for cut in cuts:
        path.write_bytes(whole[:cut])
        assert [request.id for request in pending(layout, NOW)] == [other]
        assert not path.exists()
    found = quarantined(layout)
    assert len(found) == len(cuts)
    assert all("cannot be read" in item.why for item in found)


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {},
        {"verb": 3, "schema": 1},
        {"verb": "run"},
        {"verb": "run", "schema": 99},
        {"verb": "run", "schema": 1, "cells": "villain"},
        {"verb": "run", "schema": 1, "jobs": [1]},
        {"verb": "run", "schema": 1, "sets": []},
    ],
)
def test_a_request_of_another_shape_goes_to_quarantine(layout: Layout, raw: object) -> None:
    layout.requests.mkdir()
    (layout.requests / "1.json").write_text(json.dumps(raw))
    assert pending(layout, NOW) == []
    assert len(quarantined(layout)) == 1


def test_drafts_of_a_dying_writer_are_not_requests(layout: Layout) -> None:
    layout.requests.mkdir()
    (layout.requests / ".1.json.abc.draft").write_text("{")
    (layout.requests / ".2.json").write_text("{")
    assert pending(layout) == []
    assert quarantined(layout) == []
