from __future__ import annotations

import pytest

from harness.report.links import find_dead_links, list_links


@pytest.mark.parametrize(
    ("page", "links"),
    [
        ("[a](b.md) and ![c](charts/d.svg)", ["b.md", "charts/d.svg"]),
        ("[![c](d.svg#only-light)](b.md#top)", ["d.svg", "b.md"]),
        ('<a href="b.html#x"><img src="c.png" alt="href"></a><source srcset="d.svg">', ["b.html", "c.png", "d.svg"]),
        (".. image:: a/b.svg\n   :alt: x", ["a/b.svg"]),
        ("```{image} a/b.svg\n:alt: x\n```", ["a/b.svg"]),
        ("[a](https://example.org/x) [b](#here) [c](mailto:a@b.c) ![d](data:image/png;base64,)", []),
        ("a \\](b.md) and a cell", []),
        ("twice [a](b) [c](b)", ["b"]),
        ('<a href="a&amp;b.md">', ["a&b.md"]),
        ("", []),
    ],
)
def test_links_to_files_are_found(page: str, links: list[str]) -> None:
    assert list_links(page) == links
    assert find_dead_links(page, []) == links
    assert find_dead_links(page, links) == []
