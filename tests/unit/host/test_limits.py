from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from harness.host.limits import raise_open_files

if TYPE_CHECKING:
    from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_is_raised_as_far_as_is_wanted_and_never_lowered() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert raise_open_files(512) == 512
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, hard)
    raise_open_files(300)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, hard)


def test_what_is_not_allowed_is_said() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_open_files(hard + 1) == hard
