"""Contrast by WCAG 2.2, and colours as people see them whose eyes have two kinds of cones."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from harness.charts import cpu_cost, latency, memory, rate, scaling, startup, throughput, users
from harness.charts._colours import COLOURS, DARK, GROUND, INK, MUTED, QUIET
from harness.charts._files import encode
from tests import synthetic
from tests.reported import COMPARISONS, RUN, SWEEP

LIGHT_PAGES = ("#ffffff", "#f6f8fa")
DARK_PAGES = ("#0d1117", "#1e2129", "#212830")
"""GitHub's, its lesser one and its dimmed one, and that of MkDocs Material."""
SEEN = {
    "three kinds of cones": np.eye(3),
    "no L cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no M cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no S cones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1, for linear sRGB."""
LEAST_APART = 0.055
"""In Oklab; 0.02 is about the least difference that is seen side by side."""


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020, https://bottosson.github.io/posts/oklab/."""
    cones = np.array([
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]) @ np.clip(rgb, 0, 1)  # fmt: skip
    return np.array([
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]) @ np.cbrt(cones)  # fmt: skip


@pytest.mark.parametrize("colour", [INK, QUIET, *COLOURS])
def test_what_words_are_written_in_can_be_read_on_light_and_on_dark_pages(colour: str) -> None:
    assert min(contrast(colour, page) for page in LIGHT_PAGES) >= 4.5
    assert min(contrast(DARK[colour], page) for page in DARK_PAGES) >= 4.5


@pytest.mark.parametrize("colour", [MUTED, *COLOURS])
def test_what_marks_are_drawn_in_can_be_seen_on_light_and_on_dark_pages(colour: str) -> None:
    assert min(contrast(colour, page) for page in LIGHT_PAGES) >= 3
    assert min(contrast(DARK[colour], page) for page in DARK_PAGES) >= 3


@pytest.mark.parametrize("cones", SEEN)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_differ_whatever_cones_an_eye_has(theme: str, cones: str) -> None:
    palette = [DARK[colour] if theme == "dark" else colour for colour in COLOURS]
    seen = [oklab(np.array(SEEN[cones]) @ linear(colour)) for colour in palette]
    nearest = min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))
    assert nearest >= LEAST_APART


def all_files() -> dict[str, bytes]:
    """The files of a chart of each kind."""
    drawn = {module: module.draw(COMPARISONS, RUN) for module in (throughput, latency, cpu_cost, memory, startup)}
    drawn[rate] = rate.draw(synthetic.sweep(tuple(synthetic.SPEED)), SWEEP)
    drawn[scaling] = scaling.draw(synthetic.with_workers((1, 2), 0.5, tuple(synthetic.SPEED)), RUN)
    drawn[users] = users.draw(
        synthetic.with_users({8: {"uvicorn": 1.0, "x": 0.4}, 32: {"uvicorn": 1.0, "x": 0.9}}), RUN
    )
    return {
        file: content
        for module, figure in drawn.items()
        if figure is not None
        for file, content in encode(figure, module.__name__, module.TITLE, figure.words).items()
    }


def test_every_word_of_a_file_can_be_read_and_neither_file_has_a_ground_of_its_own() -> None:
    svg = "{http://www.w3.org/2000/svg}"
    charts = {name: content for name, content in all_files().items() if name.endswith(".svg")}
    assert len(charts) == 2 * 8
    for name, content in charts.items():
        pages = DARK_PAGES if name.endswith("-dark.svg") else LIGHT_PAGES
        root = ET.fromstring(content)
        rules = dict(re.findall(r"^\.([a-z]+)\{([^}]*)\}$", content.decode(), re.MULTILINE))
        for text in root.iter(f"{svg}text"):
            style = dict(part.split(": ") for part in rules[text.attrib["class"]].split("; "))
            fill = style.get("fill", "#000000")
            assert min(contrast(fill, page) for page in pages) >= 4.5, (name, text.text)
        ground = next(root.iter(f"{svg}path"))
        assert rules[ground.attrib["class"]] == "fill: none"
        colours = {GROUND, *DARK} if name.endswith("-dark.svg") else set(DARK.values())
        assert not {part for part in colours if part.encode() in content} - {DARK[GROUND]}, name
