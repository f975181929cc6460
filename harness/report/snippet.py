"""`snippet.md`: ready pieces by which other pages show a published run, in light and dark. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.charts._files import DARK_SUFFIX
from harness.text.markdown import code, escape, picture
from harness.text.plain import neutralise

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True)
class Picture:
    """The files of a chart for light and for dark pages, which are one where it is drawn once, and its result."""

    light: str
    dark: str
    result: str

    @classmethod
    def of(cls, chart: str, files: Collection[str], result: str) -> Picture:
        """The picture of a chart of this name, from the files that there are."""
        light, dark = (f"charts/{chart}{end}.svg" for end in ("", DARK_SUFFIX))
        return cls(light, dark if dark in files else light, " ".join(neutralise(result).split()))


def render(name: str, root: str, pictures: Sequence[Picture]) -> str:
    """The page; `name` is that of the run, `root` the path from the root of the repository to its folder, or empty."""
    here = f"{name}/"
    pieces: list[tuple[str, str, str]] = []
    for chart in pictures[:1]:
        pieces += [
            ("README of a code host", "html", _host(chart, f"{root}{here}")),
            ("MkDocs Material", "markdown", _mkdocs(chart, here)),
            ("Furo and other Sphinx themes, reStructuredText", "rst", _sphinx(chart, here)),
            ("Furo and other Sphinx themes, MyST", "markdown", _myst(chart, here)),
        ]
    badge = f"[![Benchmark](https://img.shields.io/endpoint?url=ADDRESS/{here}badge.json)]({here}report.md)"
    pieces.append(("Badge, with the address at which this folder is published", "markdown", badge))
    paths = "Paths begin where the index of all runs lies; on a page elsewhere, put the way there in front of them."
    if root:
        paths = f"Paths of the first piece begin at the root of the repository. Other paths begin in {code(root)}."
    others = [f"`{each.light}`" for each in pictures[1:]]
    more = [f"Other charts: {', '.join(others)}."] if others else []
    blocks = [f"## {title}\n\n````{language}\n{text}\n````" for title, language, text in pieces]
    return "\n\n".join([f"# Pieces that show run {escape(name)}", paths, *more, *blocks]) + "\n"


def _host(chart: Picture, here: str) -> str:
    shown = picture(f"{here}{chart.light}", f"{here}{chart.dark}", chart.result)
    return f'<a href="{here}report.md">\n{shown}\n</a>'


def _mkdocs(chart: Picture, here: str) -> str:
    pictures = ((chart.light, "only-light"), (chart.dark, "only-dark"))
    shown = (f"![{escape(chart.result)}]({here}{path}#{only})" for path, only in pictures)
    return "\n".join(f"[{each}]({here}report.md)" for each in shown)


def _sphinx(chart: Picture, here: str) -> str:
    pictures = ((chart.light, "only-light"), (chart.dark, "only-dark"))
    return "\n\n".join(
        f".. image:: {here}{path}\n   :class: {only}\n   :alt: {chart.result}" for path, only in pictures
    )


def _myst(chart: Picture, here: str) -> str:
    pictures = ((chart.light, "only-light"), (chart.dark, "only-dark"))
    return "\n\n".join(
        f"```{{image}} {here}{path}\n:class: {only}\n:alt: {chart.result}\n```" for path, only in pictures
    )
