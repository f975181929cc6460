"""Measures the load generator itself: its ceiling, and its rate beside that of reference generators."""
