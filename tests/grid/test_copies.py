"""Original, moved or copied is decided from what is seen, and never by device numbers."""

from __future__ import annotations

import pytest

from tuilab.grid.copies import FolderEvidence, copied_from

AWAY = FolderEvidence(is_at_recorded=False, is_same_inode=False)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (FolderEvidence(True, True), ""),
        # restored from a backup, or a volume that keeps no inodes
        (FolderEvidence(True, False), ""),
        # the original was renamed while it worked, and copied back to its old name
        (FolderEvidence(True, False, working_at="/old"), "/old"),
        (FolderEvidence(False, True, at_recorded="/a", working_here=True), ""),
        # cp -r, rsync
        (FolderEvidence(False, False, at_recorded="/a"), "/a"),
        # by a tool that keeps inodes apart only on one volume
        (FolderEvidence(False, True, at_recorded="/a"), "/a"),
        # mv, and mv to another volume
        (FolderEvidence(False, True), ""),
        (AWAY, ""),
        # mv and then cp -r: the copy lies beside the moved one
        (FolderEvidence(False, False, beside="/b"), "/b"),
        (FolderEvidence(False, True, beside="/c"), ""),
        # mv while it works, and cp -r of that
        (FolderEvidence(False, True, working_here=True), ""),
        (FolderEvidence(False, False, working_at="/b"), "/b"),
    ],
)
def test_a_folder_is_the_original_moved_or_a_copy(seen: FolderEvidence, expected: str) -> None:
    assert copied_from(seen) == expected
