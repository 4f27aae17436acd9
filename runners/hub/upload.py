"""Uploads a folder as a model to a hub: private unless asked otherwise, resumed after a cut."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.hub import download
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

MESSAGE = "Upload with tuilab"


def push(folder: str, repo: str, public: bool = False, dry_run: bool = False) -> Mapping[str, Any]:
    """Create the repository if it is not there and upload what it lacks, in one commit.

    A large file that has arrived is not sent again, so that a second call goes on after a cut.
    With ``dry_run`` nothing is created and nothing sent. JobError: one sentence with what to do.
    """
    from huggingface_hub import HfApi

    place = Path(folder)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    told = {
        "repo": repo,
        "private": not public,
        "files": {path.relative_to(place).as_posix(): path.stat().st_size for path in files},
        "bytes": sum(path.stat().st_size for path in files),
    }
    if not download.token_source():
        raise JobError(
            Reason.AUTH,
            f"{repo} cannot be written without a token: `hf auth login` with one that may write "
            "(or set HF_TOKEN)",
        )
    api = HfApi()
    try:
        told["exists"] = api.repo_exists(repo)
        if told["exists"]:
            told["private"] = bool(api.model_info(repo).private)
            _refuse_to_show(repo, is_seen=not told["private"], public=public)
        if dry_run:
            return {**told, "dry_run": True}
        api.create_repo(repo, private=not public, exist_ok=True)
        done = api.upload_folder(repo_id=repo, folder_path=place, commit_message=MESSAGE)
    except JobError:
        raise
    except Exception as error:
        raise _told(error, repo) from error
    return {**told, "url": str(getattr(done, "commit_url", done))}


def _refuse_to_show(repo: str, is_seen: bool, public: bool) -> None:
    """An upload is private unless somebody says otherwise, whatever the repository already is."""
    if is_seen and not public:
        raise JobError(
            Reason.CONFIG,
            f"{repo} is public, so everybody would see the upload: say --public, or name another",
        )


def _told(error: Exception, repo: str) -> JobError:
    found = download.told(error, repo, None)
    if found.reason is Reason.HUB:
        return JobError(Reason.HUB, f"{found.detail}; run it again: what has arrived is not sent")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return JobError(
            Reason.AUTH, f"the hub does not let this token write to {repo}: give it write access"
        )
    return found
