"""Tells an experiment's folder from a copy of it, by what is known of both; pure."""

from __future__ import annotations

from typing import NamedTuple


class FolderEvidence(NamedTuple):
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


def copied_from(seen: FolderEvidence) -> str:
    """Return the folder of which one is a copy; "" for the original, also where that was moved.

    Live processes tell most: a move takes them along and a copy does not. Then the recorded place
    is the experiment's, if the same id is there; then the inode, which a move keeps.
    """
    if (seen.is_at_recorded and seen.is_same_inode) or seen.working_here:
        return ""
    if seen.working_at or seen.is_at_recorded:
        return seen.working_at
    return seen.at_recorded or ("" if seen.is_same_inode else seen.beside)
