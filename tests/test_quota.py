"""What control groups say of CPUs, read from files laid out as Linux lays them out."""

import pytest

from fastconv import _threads
from fastconv._quota import quota


def lay_out(root, membership, files):
    for name, text in {"proc/self/cgroup": membership, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return quota(root)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("6400000 50000\n", 128),
        ("0 100000\n", 1),
        ("100000 0\n", None),
        ("-1 100000\n", None),
        ("100000\n", None),
        ("", None),
        ("some words\n", None),
    ],
)
def test_version_2(tmp_path, text, expected):
    assert lay_out(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.max": text}) == expected


@pytest.mark.parametrize(
    ("spent", "period", "expected"),
    [("-1\n", "100000\n", None), ("300000\n", "100000\n", 3), ("50000\n", "100000\n", 1), ("1\n", "", None)],
)
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_version_1(tmp_path, controllers, spent, period, expected):
    files = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": spent, "sys/fs/cgroup/cpu/cpu.cfs_period_us": period}
    assert lay_out(tmp_path, f"3:{controllers}:/\n2:cpuset:/\n", files) == expected


def test_other_controllers_do_not_count(tmp_path):
    files = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
    assert lay_out(tmp_path, "4:memory:/\n2:cpuset:/\n1:name=systemd:/\n", files) is None


def test_the_least_of_all_groups_above(tmp_path):
    files = {"sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/a/cpu.max": "200000 100000"}
    files["sys/fs/cgroup/a/b/cpu.max"] = "400000 100000"
    assert lay_out(tmp_path, "0::/a/b\n", files) == 2


def test_a_container_sees_its_own_group_as_the_root(tmp_path):
    assert lay_out(tmp_path, "0::/kubepods/pod1/container2\n", {"sys/fs/cgroup/cpu.max": "300000 100000"}) == 3


def test_both_versions(tmp_path):
    files = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "500000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
    assert lay_out(tmp_path, "3:cpu,cpuacct:/\n0::/\n", files) == 5


def test_no_control_groups(tmp_path):
    assert quota(tmp_path) is None


@pytest.mark.parametrize("text", ["nonsense", "3:cpu", "\x00\n\n", "0::/" + "a/" * 3000])
def test_a_membership_that_is_none(tmp_path, text):
    assert lay_out(tmp_path, text, {}) is None


@pytest.mark.parametrize(("paid", "expected"), [(None, 4), (1, 1), (3, 3), (9, 4)])
def test_threads_begin_with_what_quota_and_affinity_leave(monkeypatch, paid, expected):
    monkeypatch.setattr(_threads, "quota", lambda: paid)
    monkeypatch.setattr(_threads.os, "sched_getaffinity", lambda _process: {0, 3, 4, 9}, raising=False)
    assert _threads._allowed() == expected
