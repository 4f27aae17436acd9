"""Names of the files of an attempt; loads nothing."""

from __future__ import annotations

EVENTS_FILE = "events.jsonl"
OUTCOME_FILE = "outcome.json"
LOG_FILE = "log.txt"
