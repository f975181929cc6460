"""The colours of charts, each for light pages and for dark ones."""

from __future__ import annotations

INK, QUIET, MUTED, FAINT, GRID, GROUND = "#1f2328", "#59636e", "#848d97", "#d1d9e0", "#e8ecf0", "#ffffff"
"""Words, lesser words, lesser lines, axes, grid, and what hollow marks are filled with."""

_SERIES = (
    ("#2c2ac7", "#c8d5ff"),  # blue
    ("#af4813", "#e67442"),  # orange
    ("#2c733d", "#8cc094"),  # green
    ("#9c0ba1", "#ee97ef"),  # magenta
    ("#037b94", "#36a1bc"),  # cyan
    ("#4a4d08", "#bbc244"),  # olive
    ("#6d58d4", "#9589f5"),  # violet
    ("#783248", "#c37a8e"),  # red
    ("#084116", "#94faa0"),  # dark green
)
"""Colours of candidates on light pages and on dark ones.

They were sought so that any two differ as much as possible for people with three kinds of cones and with any two, and
can be read as text on pages from white to #f6f8fa, and from #0d1117 to #212830 (WCAG 2, contrast 4.5 : 1).
"""
COLOURS = tuple(light for light, _ in _SERIES)
DARK = {
    INK: "#e6edf3",
    QUIET: "#9198a1",
    MUTED: "#757d87",
    FAINT: "#3d444d",
    GRID: "#262c34",
    GROUND: "#0d1117",
    **dict(_SERIES),
}
"""Each colour on a dark page, by that on a light one."""
