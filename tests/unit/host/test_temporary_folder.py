"""Where a command may write temporary files."""

from __future__ import annotations

import tempfile

import pytest

from harness.host import guard
from harness.model.errors import UsageError


def test_a_container_without_a_folder_for_temporary_files_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/nowhere"])
    with pytest.raises(UsageError, match="mount one at /tmp, or set TMPDIR"), guard.temporary_folder():
        pass
