"""Tells an experiment's folder from a copy of it, by what is known of both; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Folder(StrEnum):
    """What a folder is to the experiment whose id it holds."""

    ORIGINAL = "original"
    MOVED = "moved"
    """The experiment itself, at another place than it recorded."""
    COPY = "copy"
    """The experiment is at another place; its engine and workers belong there."""


@dataclass(frozen=True, slots=True)
class FolderEvidence:
    """What was seen; places are paths of folders."""

    is_at_recorded: bool
    """This folder is the recorded place, by whatever path."""
    is_same_inode: bool
    """It has the inode that was recorded: a hint, since not every volume keeps them."""
    at_recorded: str = ""
    """The recorded place, when another folder is there that holds the same id."""
    working_here: bool = False
    """A live process of the experiment works in this folder."""
    working_at: str = ""
    """Another folder in which one does."""
    beside: str = ""
    """A neighbour of this folder that holds the same id."""


def judge_folder(seen: FolderEvidence) -> tuple[Folder, str]:
    """Return what a folder is and, of a copy, the folder of which it is one.

    Live processes tell most: a move takes them along and a copy does not. Then the recorded place
    is the experiment's, if the same id is there; then the inode, which a move keeps.
    """
    here = Folder.ORIGINAL if seen.is_at_recorded else Folder.MOVED
    if (seen.is_at_recorded and seen.is_same_inode) or seen.working_here:
        return here, ""
    if seen.working_at:
        return Folder.COPY, seen.working_at
    if seen.is_at_recorded:
        return here, ""
    if seen.at_recorded:
        return Folder.COPY, seen.at_recorded
    if seen.beside and not seen.is_same_inode:
        return Folder.COPY, seen.beside
    return here, ""
