"""Which folders survive the end of a pod, read from the mount table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.cli.doctor.folders import Mount, Survival, explain, find_mount, judge, look_at

MOUNTS = r"""
22 1 0:20 / / rw,relatime - overlay overlay rw
30 22 259:1 / /workspace rw,relatime shared:1 - nfs4 server:/v rw
31 22 0:44 / /dev/shm rw - tmpfs shm rw
32 22 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
33 30 8:2 / /workspace/with\040space rw - xfs /dev/sdb rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind", "in_pod", "at_home"),
    [
        ("/root/runs", "overlay", Survival.WIPED, Survival.UNKNOWN),
        ("/workspace", "nfs4", Survival.PERSISTENT, Survival.PERSISTENT),
        ("/workspace2", "overlay", Survival.WIPED, Survival.UNKNOWN),
        ("/dev/shm/x", "tmpfs", Survival.MEMORY, Survival.MEMORY),
        ("/workspace/with space/x", "xfs", Survival.PERSISTENT, Survival.PERSISTENT),
    ],
)
def test_what_survives_a_pod_is_read_from_the_mounts(
    path: str, kind: str, in_pod: Survival, at_home: Survival
) -> None:
    mount = find_mount(path, MOUNTS)
    assert mount is not None
    assert mount.kind == kind
    assert judge(mount, in_container=True) is in_pod
    assert judge(mount, in_container=False) is at_home


def test_what_is_wiped_says_what_to_do() -> None:
    text = explain("the run folder", "/root/runs", Mount("/", "overlay"), Survival.WIPED)
    assert text == (
        "the run folder /root/runs (on overlay at /) is wiped when the pod stops: "
        "move it to a volume"
    )
    assert judge(None, in_container=True) is Survival.UNKNOWN


def test_a_folder_that_does_not_exist_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    found = look_at("the run folder", tmp_path / "not" / "yet")
    assert found.free is not None
    assert str(tmp_path) in found.sentence
