"""Original, moved or copied is decided from what is seen, and never by device numbers."""

from __future__ import annotations

import pytest

from tuilab.grid.copies import Folder, FolderEvidence, judge_folder

AWAY = FolderEvidence(is_at_recorded=False, is_same_inode=False)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (FolderEvidence(True, True), (Folder.ORIGINAL, "")),
        # restored from a backup, or a volume that keeps no inodes
        (FolderEvidence(True, False), (Folder.ORIGINAL, "")),
        # the original was renamed while it worked, and copied back to its old name
        (FolderEvidence(True, False, working_at="/old"), (Folder.COPY, "/old")),
        (FolderEvidence(False, True, at_recorded="/a", working_here=True), (Folder.MOVED, "")),
        # cp -r, rsync
        (FolderEvidence(False, False, at_recorded="/a"), (Folder.COPY, "/a")),
        # by a tool that keeps inodes apart only on one volume
        (FolderEvidence(False, True, at_recorded="/a"), (Folder.COPY, "/a")),
        # mv, and mv to another volume
        (FolderEvidence(False, True), (Folder.MOVED, "")),
        (AWAY, (Folder.MOVED, "")),
        # mv and then cp -r: the copy lies beside the moved one
        (FolderEvidence(False, False, beside="/b"), (Folder.COPY, "/b")),
        (FolderEvidence(False, True, beside="/c"), (Folder.MOVED, "")),
        # mv while it works, and cp -r of that
        (FolderEvidence(False, True, working_here=True), (Folder.MOVED, "")),
        (FolderEvidence(False, False, working_at="/b"), (Folder.COPY, "/b")),
    ],
)
def test_a_folder_is_the_original_moved_or_a_copy(
    seen: FolderEvidence, expected: tuple[Folder, str]
) -> None:
    assert judge_folder(seen) == expected
