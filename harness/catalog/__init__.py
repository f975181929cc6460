"""Which servers, apps, scenarios and charts there are, and the environments in which servers run."""
