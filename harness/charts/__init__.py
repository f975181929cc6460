"""One file for each chart: a `TITLE`, a function `draw(comparisons, run)`, and a docstring.

`draw` gets the `ComparisonSummary` objects of a run and its `RunInfo`. It returns a Matplotlib figure, or None if there
is nothing to draw. The first line of the docstring is the caption. An optional `ORDER` is the place in the report.
The figure may have `words`, a sentence on its result for each panel.
"""
