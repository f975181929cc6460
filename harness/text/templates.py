"""HTML pages from templates."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.text.plain import neutralise

if TYPE_CHECKING:
    from jinja2 import Template

_REFERENCE = re.compile(r'(\bid="|href="#|url\(#)')
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')
_ASIDE = re.compile(r"<(title|desc)>.*?</\1>", re.DOTALL)
_STYLE_SHEET = re.compile(r"<style>.*?</style>", re.DOTALL)
_RULE = re.compile(r"^\.", re.MULTILINE)


@cache
def read_template(path: Path) -> Template:
    """A template that escapes and neutralises every value, and rejects names it was not given."""
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        finalize=_finalise,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(path.name)


def _finalise(value: object) -> object:
    """A value as it is shown; what is HTML already stays as it is."""
    return neutralise(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def embed_svg(svg: str, name: str, label: str) -> Markup:
    """A chart as an element that scales, has a label for screen readers, and ids that no other name has.

    Its style sheet applies to it alone.
    """
    opening, rest = _ASIDE.sub("", svg[svg.index("<svg ") :]).split(">", 1)
    opening = f'{_SIZE.sub("", opening)} role="img" aria-label="{escape(label)}" id="{name}-chart">'
    rest = _REFERENCE.sub(rf"\g<1>{name}-", rest)
    rest = _STYLE_SHEET.sub(lambda rules: _RULE.sub(f"#{name}-chart .", rules[0]), rest)
    return Markup(opening + rest)  # noqa: S704 - Matplotlib escapes its texts


def embed_script() -> tuple[Markup, str]:
    """The script of all pages as an element, and what allows it alone: its digest (CSP 3, 2.3.1)."""
    source = (Path(__file__).parent / "page.js").read_text()
    digest = b64encode(sha256(source.encode()).digest()).decode()
    return Markup(f"<script>{source}</script>"), f"'sha256-{digest}'"  # noqa: S704 - a file of this program


def embed_style() -> Markup:
    """The style sheet of all pages as the content of an element."""
    return Markup((Path(__file__).parent / "page.css").read_text())  # noqa: S704 - a file of this program
