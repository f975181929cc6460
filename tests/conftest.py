"""What holds for all tests."""

import signal

from hypothesis import settings

pytest_plugins = ("tests.fault_table",)

# A deadline would be an assertion on speed, and machines are shared.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")

# A shell ignores SIGINT in what it runs in the background, and every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
