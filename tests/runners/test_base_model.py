"""Where models come from, and what is refused before any weight is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from runners.ml import base_model
from runners.ml.stage_settings import BaseSettings
from runners.tinybase import locate
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def test_a_changed_tiny_base_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "base"
    shutil.copytree(locate.shipped_dir(), copy)
    assert base_model.source_of(BaseSettings("tiny", path=str(copy))) == str(copy)
    with (copy / "tokenizer.json").open("a") as file:
        file.write(" ")
    with pytest.raises(JobError, match=r"tokenizer\.json differs") as caught:
        base_model.source_of(BaseSettings("tiny", path=str(copy)))
    assert caught.value.reason is Reason.CONFIG


def test_published_names_hold_no_path_of_this_machine() -> None:
    assert base_model.public_name(BaseSettings("tiny", path="/somewhere/else")) == "tuilab-tiny"
    assert base_model.public_name(BaseSettings("/home/me/models/my-base")) == "my-base"
    assert base_model.public_name(BaseSettings("Qwen/Qwen2.5-7B")) == "Qwen/Qwen2.5-7B"


def test_remote_code_is_trusted_only_at_a_pinned_commit() -> None:
    with pytest.raises(JobError, match=r"needs base\.revision") as caught:
        base_model.load(BaseSettings("some/model", trust_remote_code=True))
    assert caught.value.reason is Reason.CONFIG


def test_a_model_that_is_not_here_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JobError, match="/no/such/model") as caught:
        base_model.load(BaseSettings("/no/such/model"))
    assert caught.value.reason is Reason.CONFIG
    assert "\n" not in caught.value.detail


def test_another_device_than_the_launcher_chose_is_refused() -> None:
    base_model.refuse_other_device("", "abc")
    base_model.refuse_other_device("GPU-abc", "abc")
    with pytest.raises(JobError, match="CUDA_VISIBLE_DEVICES"):
        base_model.refuse_other_device("GPU-abc", "def")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_not_silently_replaced_by_the_cpu() -> None:
    assert base_model.pick_device("auto").type == "cpu"
    with pytest.raises(JobError, match="sees no CUDA device"):
        base_model.pick_device("cuda")
