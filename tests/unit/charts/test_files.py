from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from matplotlib.figure import Figure

from harness.charts import throughput
from harness.charts._colours import DARK, INK
from harness.charts._files import adapt, darken, encode, make_style
from harness.charts._short_svg import shorten
from tests.reported import COMPARISONS, RUN

SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_is_a_file_for_light_pages_one_for_dark_ones_and_a_picture() -> None:
    figure = throughput.draw(COMPARISONS, RUN)
    files = encode(figure, "throughput", "Throughput", figure.words)
    assert list(files) == ["throughput.svg", "throughput-dark.svg", "throughput.png"]
    assert files["throughput.png"].startswith(b"\x89PNG")
    assert files["throughput.svg"] != files["throughput-dark.svg"]
    assert files == encode(throughput.draw(COMPARISONS, RUN), "throughput", "Throughput", figure.words)


def test_a_file_says_its_title_and_its_result_first_and_its_words_are_text() -> None:
    figure = throughput.draw(COMPARISONS, RUN)
    for name, content in encode(figure, "x", "a < b", (*figure.words, "<script> & more.")).items():
        if name.endswith(".svg"):
            root = ET.fromstring(content)
            assert [(each.tag, each.text) for each in root][:2] == [
                (f"{SVG}title", "a < b"),
                (f"{SVG}desc", " ".join([*figure.words, "<script> & more."])),
            ]
            said = {"".join(node.itertext()) for node in root.iter(f"{SVG}text")}
            assert {"granian", "uvicorn"} <= said


def test_a_chart_says_of_each_panel_who_is_first() -> None:
    words = throughput.draw(COMPARISONS, RUN).words
    assert len(words) == len(COMPARISONS)
    for sentence in words:
        (own,) = [each for each in COMPARISONS if sentence.startswith(f"{each.comparison.scenario} · ")]
        valid = [each for each in own.candidates if each.verdict == "valid"]
        best = max(valid, key=lambda each: each.throughput_rps.median)
        assert f"requests/s: {best.name} {best.throughput_rps.median:,.0f}" in sentence


def test_a_figure_of_a_chart_of_ones_own_needs_no_words() -> None:
    figure = Figure()
    figure.text(0.5, 0.5, "mine", color=INK)
    files = encode(figure, "mine", "Mine", ())
    assert b"<desc>" not in files["mine.svg"]
    assert DARK[INK].encode() in files["mine-dark.svg"]


def test_only_the_style_sheet_changes_colour() -> None:
    svg = f'<style>.a{{fill: {INK}; stroke: {INK}}}</style><text class="a">{INK}</text>'
    assert darken(svg) == f'<style>.a{{fill: {DARK[INK]}; stroke: {DARK[INK]}}}</style><text class="a">{INK}</text>'
    assert adapt(svg).endswith(f">{INK}</text>")
    variable = f"--chart-{INK[1:]}"
    assert f"fill: var({variable}, {INK})" in adapt(svg)
    assert f"{variable}: {DARK[INK]};" in make_style()


def test_a_file_refers_to_nothing_that_was_left_out_and_has_no_longer_numbers_than_can_be_seen() -> None:
    figure = throughput.draw(COMPARISONS, RUN)
    svg = encode(figure, "throughput", "Throughput", figure.words)["throughput.svg"].decode()
    ids = re.findall(r' id="([^"]*)"', svg)
    used = re.findall(r'(?:url\(#|href="#)([^)"]*)', svg)
    assert set(used) == set(ids)
    assert len(ids) == len(set(ids))
    assert re.search(r'="[^"]*\d\.\d{3}', svg) is None


def test_a_file_has_each_style_once_and_no_group_that_says_nothing() -> None:
    figure = throughput.draw(COMPARISONS, RUN)
    svg = encode(figure, "throughput", "Throughput", figure.words)["throughput.svg"].decode()
    rules = re.findall(r"^\.([a-z]+)\{([^}]*)\}$", svg, re.MULTILINE)
    assert rules
    assert len({style for _, style in rules}) == len(rules)
    assert {name for name, _ in rules} == set(re.findall(r' class="([^"]*)"', svg))
    assert " style=" not in svg
    assert "<g>" not in svg


def test_steps_of_a_path_lead_where_the_path_led() -> None:
    path = (
        "M 83.79 270.94 L 333.32 270.94 L 333.36 58.66 L 333.38 58.66 C 1.46 2 3 4.04 5 6 z M 7.77 8 L 9 10.04 L 9 12 "
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{path}"/></svg>'
    (found,) = re.findall(r' d="([^"]*)"', shorten(svg))
    assert found == "m83.8 270.9h249.5l0.1-212.2c-331.9-56.7-330.4-54.7-328.4-52.7zm-76-262.9l1.2 2v2"
