"""A download in words."""

from __future__ import annotations

from tuilab.grid.transfer import Transfer, transfer_from


def test_a_download_is_told_in_bytes_rate_and_time_left() -> None:
    found = Transfer(3_200_000_000, 15_000_000_000, 200e6)
    assert str(found) == "3.2 of 15 GB, 200 MB/s, 59s left"
    assert str(Transfer(500_000, 15_000_000_000)) == "500 kB of 15 GB"
    assert Transfer(1, 2).seconds_left is None


def test_only_events_that_count_bytes_are_downloads() -> None:
    assert transfer_from({"step": 1, "of": 2, "part": "bytes"}) == Transfer(1, 2)
    assert transfer_from({"step": 1, "of": 2, "part": "train"}) is None
    assert transfer_from({"part": "bytes"}) is None
