"""What `locust -f` is given beside a scenario, so that the plugin is there whatever the scenario imports."""

from harness.load import recorder as _recorder  # noqa: F401 - its import adds the options and the listeners
