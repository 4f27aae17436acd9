"""What a worker sees: an allow-list, pinned threads, one device."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.contract.test_hub import COMMIT, MODEL, cached
from tests.engine.trials import make_plan
from tuilab.contract.hub import OFFLINE_BY_ENGINE
from tuilab.engine.decide.policy import GB, Policy, policy_of, read_policy
from tuilab.engine.host.environment import (
    source_root,
    threads_for,
    worker_argv,
    worker_environment,
)
from tuilab.engine.host.model_hub import is_offline, on_hub
from tuilab.grid.jobs import Plan
from tuilab.grid.resource_config import Resources

OWN = {
    "PATH": "/bin",
    "HF_TOKEN": "hf_secret",
    "WANDB_API_KEY": "key",
    "CUDA_VISIBLE_DEVICES": "0,1",
    "OMP_NUM_THREADS": "64",
    "PYTHONPATH": "/elsewhere",
    "DATABASE_PASSWORD": "not for runners",
    "SSH_AUTH_SOCK": "/tmp/agent",
}


def test_only_what_a_runner_needs_passes() -> None:
    found = worker_environment(OWN)
    assert found["HF_TOKEN"] == "hf_secret"
    assert found["PATH"] == "/bin"
    assert not {"DATABASE_PASSWORD", "SSH_AUTH_SOCK"} & set(found)


def test_threads_and_device_are_pinned_for_each_worker() -> None:
    found = worker_environment(OWN, threads=2, device="1", uuid="GPU-1")
    assert (found["OMP_NUM_THREADS"], found["MKL_NUM_THREADS"]) == ("2", "2")
    assert (found["CUDA_VISIBLE_DEVICES"], found["TUILAB_DEVICE_UUID"]) == ("1", "GPU-1")


def test_the_index_of_a_device_counts_as_nvidia_smi_counts() -> None:
    by_speed = {**OWN, "CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    assert worker_environment(by_speed, device="1")["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert worker_environment(by_speed)["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


def test_workers_share_the_cores_and_keep_to_a_container_s_quota(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    quota = tmp_path / "cpu.max"
    for text in ("", "max 100000", f"{cores * 8}00000 100000", "nonsense"):
        quota.write_text(text)
        assert threads_for(1, quota) == cores
    assert threads_for(cores * 2, tmp_path / "absent") == 1
    quota.write_text("150000 100000")
    assert threads_for(1, quota) == 1


def test_without_a_word_about_threads_and_devices_the_caller_s_choice_stays() -> None:
    found = worker_environment(OWN)
    assert (found["OMP_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == ("64", "0,1")


def test_the_source_is_found_before_the_caller_s_own_path() -> None:
    assert worker_environment(OWN)["PYTHONPATH"] == f"{source_root()}:/elsewhere"


def test_offline_workers_do_not_reach_for_the_hub() -> None:
    found = worker_environment(OWN, offline=True)
    assert found["HF_HUB_OFFLINE"] == "1"
    assert found[OFFLINE_BY_ENGINE] == "1"
    own = worker_environment({**OWN, "HF_HUB_OFFLINE": "1"}, offline=True)
    assert OFFLINE_BY_ENGINE not in own
    assert "HF_HUB_OFFLINE" not in worker_environment(OWN)


def test_python_means_the_engine_s_interpreter() -> None:
    assert worker_argv(("python", "-m", "runners.serve")) == [sys.executable, "-m", "runners.serve"]
    assert worker_argv(("/opt/x", "y")) == ["/opt/x", "y"]


def test_resources_are_read_with_their_defaults() -> None:
    assert read_policy({}) == Policy()
    found = read_policy({"reserve_gb": 0.5, "devices": [0, 1], "unknown": 1, "threads": None})
    assert found == Policy(reserve_bytes=GB // 2, devices=("0", "1"))


@pytest.mark.parametrize(
    ("asked", "devices"), [("cpu", "none"), ("auto", "auto"), ("cuda", "auto"), (None, "auto")]
)
def test_a_grid_for_the_processor_waits_for_no_gpu(asked: str | None, devices: str) -> None:
    base = {} if asked is None else {"base": {"device": asked}}
    plan = replace(make_plan(), settings={"plain": base, "other": {}})
    assert policy_of(plan).devices == devices


def test_every_setting_of_the_engine_can_be_written_in_a_config_and_has_the_same_default() -> None:
    written = Resources().model_dump(mode="json")
    assert read_policy(written) == Policy(job_bytes={})
    renamed = {"reserve_bytes": "reserve_gb"}
    known = {renamed.get(name, name) for name in Policy.__dataclass_fields__}
    known.discard("needs_cuda")  # the bases of the plan say it
    assert known == set(written) - {"places"}  # each place reads its own


def test_a_config_with_all_of_them_reaches_the_engine() -> None:
    raw = {"job_bytes": {"merge": 15}, "offline": True, "jobs_per_device": 2, "assign_ahead": False}
    found = read_policy(Resources(**raw).model_dump(mode="json"))
    assert found == Policy(
        job_bytes={"merge": 15}, offline=True, jobs_per_device=2, assign_ahead=False
    )
    with pytest.raises(ValidationError, match="job_bytes"):
        Resources(job_bytes={"boil": 15})


def on(model: str, revision: str | None = None) -> Plan:
    base = {"model": model, "revision": revision}
    return replace(make_plan(), settings={"plain": {"base": base}})


def test_workers_go_offline_once_the_base_was_fetched_and_a_result_made(tmp_path: Path) -> None:
    plan, own = on(MODEL, COMMIT), {"HF_HOME": str(tmp_path)}
    assert not is_offline(Policy(), on_hub(plan), True, own)
    cached(tmp_path, "config.json", "model.safetensors")
    assert not is_offline(Policy(), on_hub(plan), False, own)
    assert is_offline(Policy(), on_hub(plan), True, own)
    assert not is_offline(Policy(), on_hub(on(MODEL, "def")), True, own)
    assert is_offline(Policy(), on_hub(on(MODEL)), True, own)


def test_a_local_base_needs_no_hub_and_a_person_s_word_counts_first(tmp_path: Path) -> None:
    assert is_offline(Policy(), on_hub(on("tiny")), False, {})
    assert is_offline(Policy(), on_hub(on(str(tmp_path))), False, {})
    assert not is_offline(Policy(offline=False), on_hub(on("tiny")), True, {})
    assert is_offline(Policy(offline=True), on_hub(on("org/model")), False, {})
