"""What holds for all tests."""

from hypothesis import settings

# A deadline would be an assertion on speed, and machines are shared.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")
