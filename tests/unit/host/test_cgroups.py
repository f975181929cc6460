"""Limits of control groups, of both versions, as some machines have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.host import cgroups
from harness.host.cgroups import Groups
from tests import fake_machines as fake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(fake.container(), Groups(2, 2.5, (0, 1, 2, 3), 1 << 30), id="nested-groups-of-version-2"),
        pytest.param(fake.laptop(), Groups(2), id="groups-of-version-2-without-limits"),
        pytest.param(fake.docker_v1(), Groups(1, 1.5, (1,), 512 << 20), id="container-that-sees-its-part-of-version-1"),
        pytest.param(fake.cloud(), Groups(1, None, (0, 1), None), id="groups-of-version-1-without-quota"),
        pytest.param(fake.common(), Groups(), id="no-groups"),
    ],
)
def test_the_tightest_limit_of_all_visible_groups_applies(
    tmp_path: Path, files: Mapping[str, str], expected: Groups
) -> None:
    assert cgroups.read(fake.write(tmp_path, files)) == expected


@pytest.mark.parametrize(
    ("files", "text", "paused_s"),
    [
        pytest.param(fake.container(), "nr_throttled 3\nthrottled_usec 250000\n", 0.25, id="version-2"),
        pytest.param(fake.docker_v1(), "nr_throttled 3\nthrottled_time 250000000\n", 0.25, id="version-1"),
        pytest.param(fake.laptop(), "nr_throttled 3\nthrottled_usec 250000\n", 0, id="no-quota"),
    ],
)
def test_the_pauses_of_a_cpu_quota_are_read(
    tmp_path: Path, files: Mapping[str, str], text: str, paused_s: float
) -> None:
    root = fake.write(tmp_path, files)
    for folder in {each.parent for name in ("cpu.max", "cpu.cfs_quota_us") for each in root.rglob(name)}:
        (folder / "cpu.stat").write_text(text)
    found = cgroups.list_cpu_statistics(root)
    assert cgroups.read_paused_s(found) == pytest.approx(paused_s * max(1, len(found)))


def test_a_container_has_as_many_cpus_as_its_quota_is_worth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups.cpus, "available", lambda: frozenset(range(8)))
    assert cgroups.count_cpus(fake.write(tmp_path / "2.5", fake.container())) == 2
    assert cgroups.count_cpus(fake.write(tmp_path / "none", fake.laptop())) == 8
