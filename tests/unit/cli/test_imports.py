"""What takes long to import is imported by those commands alone that need it."""

from __future__ import annotations

import subprocess
import sys


def test_no_command_imports_matplotlib_before_it_draws() -> None:
    code = "import harness.cli, sys; print(*sorted({'matplotlib', 'PIL', 'locust', 'gevent'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
