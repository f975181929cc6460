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
