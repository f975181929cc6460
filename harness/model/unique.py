"""The placeholder for a value that is new in each request."""

UNIQUE = "{unique}"
"""Stands in the path, a header or the body of a request for a new value each time it is sent."""
UNIQUE_LETTERS = 16
"""A value has so many letters, of `a` to `z`."""
