"""Numbers, tables and pages as text, the same wherever they are shown. This room imports nothing of the package."""
