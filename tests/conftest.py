"""What holds for all tests."""

import os
import signal
import sys

import pytest
from hypothesis import settings

pytest_plugins = ("tests.fault_table",)

# A deadline would be an assertion on speed, and machines are shared.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")

# A shell ignores SIGINT in what it runs in the background, and every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of Python processes. Each would compile the harness again, and pytest would rewrite every assert.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session", autouse=True)
def hear_hang_up() -> None:
    """Tests that were started by `nohup` ignore the signal, and so would what they start."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
