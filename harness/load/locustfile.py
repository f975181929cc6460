"""`locust -f` loads this file before a scenario, so that the plugin is there whatever the scenario imports."""

from harness.load import plugin as _plugin  # noqa: F401 - the import adds options and listeners
