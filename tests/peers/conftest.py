"""Leaves these tests out where the libraries of others are not: they go beside ours."""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = ("inspect_ai", "lm_eval")
collect_ignore_glob = [] if all(map(find_spec, NEEDED)) else ["test_*.py"]
