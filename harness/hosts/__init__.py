"""Other machines: where servers run, and what is between them and the load."""
