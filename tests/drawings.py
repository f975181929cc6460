"""Charts as the tests look at them: as a file, and as the words in it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def svg_of(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def words_in(figure: Figure) -> list[str]:
    """Every text of the picture, as written in its file."""
    root = ET.fromstring(svg_of(figure))
    return [" ".join(node.itertext()).replace("\u00a0", " ") for node in root.iter("{http://www.w3.org/2000/svg}text")]


def fits(figure: Figure) -> bool:
    """Is everything that is drawn inside the picture?"""
    box, (width_in, height_in) = figure.get_tightbbox(), figure.get_size_inches()
    return bool(0 <= box.x0 < box.x1 <= width_in and 0 <= box.y0 < box.y1 <= height_in)
