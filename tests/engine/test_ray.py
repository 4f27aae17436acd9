"""Ray's adapter against an HTTP server that answers as its Jobs API and starts real shims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ending import lease_of
from tests.engine.test_places import finish, needs_namespaces
from tests.engine.trials import Trial, make_plan
from tests.places.ray_stand_in import Cluster, cluster
from tuilab.engine.host.ray import Ray
from tuilab.engine.host.remote import UnreachableError

pytestmark = needs_namespaces


@pytest.fixture
def head() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


def on_ray(trial: Callable[..., Trial], head: Cluster) -> Trial:
    options: dict[str, Any] = {"address": head.address, "look_seconds": 0.2, "fence_seconds": 3.0}
    options["setup"] = "cd /\ntrue  # what follows a comment counts as well"
    plan = make_plan(("villain", "nurse"))
    grid = trial(plan, workers=2, executor="ray", places={"ray": options}, retries=3)
    grid.ask("run")
    return grid


def test_a_grid_is_done_on_ray_and_no_secret_goes_along(
    trial: Callable[..., Trial], head: Cluster
) -> None:
    grid = on_ray(trial, head)
    assert grid.start("--go", HF_TOKEN="hf_canary", WANDB_API_KEY="canary").wait(60.0) == 0
    finish(grid)
    leases = [lease_of(folder) for folder in grid.worker_dirs()]
    assert {one.shim.host for one in leases if one and one.shim} == {"ray-w0", "ray-w1"}
    assert len(head.submitted) == 2
    assert "canary" not in str(head.submitted)


def test_a_name_that_ray_has_already_is_no_second_worker(tmp_path: Any, head: Cluster) -> None:
    ray = Ray({"address": head.address})
    folder = tmp_path / "w0-abc"
    folder.mkdir()
    ray.submit(folder)
    ray.submit(folder)
    assert list(head.jobs) == ["w0-abc"]


def test_a_cluster_with_a_token_gets_it_from_where_rays_own_client_reads_it(
    tmp_path: Path, head: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    head.token, ray = "right", Ray({"address": head.address})
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UnreachableError, match="must hold that of the cluster"):
        ray.look(["w0"])
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("right\n")
    assert ray.look(["w0"]) == {}
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(UnreachableError):
        ray.look(["w0"])


def test_a_token_with_line_ends_is_sent_without_them_and_never_quoted(
    head: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret mounted from a file often ends a line; what is said lies in engine.json."""
    head.token, ray = "right", Ray({"address": head.address})
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right\r\n")
    assert ray.look(["w0"]) == {}
    monkeypatch.setenv("RAY_AUTH_TOKEN", "canary\nof two lines")
    with pytest.raises(UnreachableError) as told:
        ray.look(["w0"])
    assert "canary" not in str(told.value)


def test_what_is_no_address_or_option_is_named() -> None:
    with pytest.raises(ValueError, match="adress is not one of"):
        Ray({"adress": "http://head:8265"})
    with pytest.raises(ValueError, match="not http://"):
        Ray({"address": "head:8265"})


def test_a_head_that_is_away_is_unreachable_and_a_word_of_ray_an_opinion(head: Cluster) -> None:
    ray = Ray({"address": head.address})
    assert ray.look(["w0-abc"]) == {}
    head.is_away = True
    with pytest.raises(UnreachableError):
        ray.look(["w0-abc"])
    with pytest.raises(UnreachableError):
        Ray({"address": "http://127.0.0.1:9"}).look(["w0-abc"])
