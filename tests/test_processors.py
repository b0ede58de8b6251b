"""Processors: affinity and the quota of control groups."""

import math
import os
from pathlib import Path

import pytest

import semelha.processors
from semelha.processors import cpu_quota, processors, use_at_most


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/a/b", {"a/b/cpu.max": "250000 100000\n"}, 2.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "400000 100000"}, 4.0),
        ("0::/a", {"a/cpu.max": "max 100000"}, math.inf),
        ("0::/elsewhere", {}, math.inf),
        ("0::/", {"cpu.max": "nonsense"}, math.inf),
        ("4:cpu,acct:/c", {"cpu,acct/c/cpu.cfs_quota_us": "50000", "cpu,acct/c/cpu.cfs_period_us": "100000"}, 0.5),
        ("4:cpu:/host/c", {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3.0),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("9:memory:/x\n4:cpu:/\n0::/", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
    ],
)  # fmt: skip
def test_the_quota_of_a_control_group(groups: str, files: dict[str, str], expected: float, tmp_path: Path) -> None:
    write(tmp_path / "cgroup", files)
    (tmp_path / "membership").write_text(groups + "\n")
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "membership") == expected


def test_no_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "nothing") == math.inf


@pytest.mark.parametrize(("allowed", "quota", "expected"), [(64, math.inf, 64), (64, 2.5, 3), (2, 8.0, 2), (4, 0.1, 1)])
def test_the_lower_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch, allowed: int, quota: float, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.setattr(semelha.processors, "cpu_quota", lambda: quota)
    assert processors() == expected


def test_a_program_may_use_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(semelha.processors, "cpu_quota", lambda: math.inf)
    try:
        use_at_most(5)
        assert processors() == 5
    finally:
        use_at_most(None)
    assert processors() == 64
