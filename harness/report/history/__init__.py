"""The history of several runs: an index of their figures, and a page of cases over time."""
