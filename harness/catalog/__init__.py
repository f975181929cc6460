"""Which servers, apps, scenarios and charts there are, and in which environment they run."""
