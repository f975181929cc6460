"""Charts as files: SVG for light and for dark pages, with the result in words, and PNG.

A chart is drawn once, in the colours of a light page. Dark is the same file with each colour exchanged.
"""

from __future__ import annotations

import re
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from harness.charts._colours import DARK
from harness.charts._short_svg import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

DARK_SUFFIX = "-dark"
"""The end of the name of a chart for dark pages."""
PNG_DPI = 150
_STYLE = re.compile(r"<style>[^<]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_OPENING = re.compile(r"<svg [^>]*>")
_PNG_COLOURS = 256


def encode(figure: Figure, name: str, title: str, words: Sequence[str], *, png: bool = True) -> dict[str, bytes]:
    """The files of a chart by their names; `words` say its result, one sentence for each panel."""
    svg = encode_svg(figure, title, words)
    files = {f"{name}.svg": svg.encode(), f"{name}{DARK_SUFFIX}.svg": darken(svg).encode()}
    return {**files, f"{name}.png": _encode_png(figure)} if png else files


def encode_svg(figure: Figure, title: str, words: Sequence[str]) -> str:
    """The chart for light pages alone."""
    svg = _save(figure, format="svg", metadata={"Date": None}, facecolor="none").decode()
    return _describe(shorten(svg), title, words)


def darken(svg: str) -> str:
    """The chart in the colours of a dark page."""
    return _exchange(svg, lambda colour: DARK.get(colour, colour))


def adapt(svg: str) -> str:
    """The chart as a part of a page, in the colours that `make_style` gives it in the dark."""
    return _exchange(svg, lambda colour: f"var({_variable(colour)}, {colour})" if colour in DARK else colour)


def make_style() -> str:
    """CSS declarations of the colours of adapted charts in the dark."""
    return " ".join(f"{_variable(light)}: {dark};" for light, dark in DARK.items())


def _variable(colour: str) -> str:
    return f"--chart-{colour[1:]}"


def _exchange(svg: str, change: Callable[[str], str]) -> str:
    """The chart with each colour of its style sheet changed."""
    return _STYLE.sub(lambda style: _COLOUR.sub(lambda colour: change(colour[0]), style[0]), svg)


def _describe(svg: str, title: str, words: Sequence[str]) -> str:
    """The chart with its title and its result in words, for readers who do not see it."""
    said = f"<title>{escape(title, quote=False)}</title>"
    if words:
        said += f"\n <desc>{escape(' '.join(words), quote=False)}</desc>"
    return _OPENING.sub(lambda opening: f"{opening[0]}\n {said}", svg, count=1)


def _encode_png(figure: Figure) -> bytes:
    from PIL import Image  # noqa: PLC0415 - every command imports this module, and few make charts

    image = Image.open(BytesIO(_save(figure, format="png", dpi=PNG_DPI, facecolor="white"))).convert("RGB")
    file = BytesIO()
    image.quantize(_PNG_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _save(figure: Figure, **options: Any) -> bytes:
    file = BytesIO()
    figure.savefig(file, **options)
    return file.getvalue()
