"""Pages as their readers find them: HTML in a browser, Markdown as HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from markdown_it import MarkdownIt


def render_markdown(source: str) -> str:
    """The HTML of Markdown with tables."""
    return str(MarkdownIt("commonmark").enable("table").render(source))


class Reader(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *names: str) -> list[str]:
        return [attrs[name] for _, attrs in self.tags for name in names if name in attrs]
