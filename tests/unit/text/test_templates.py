from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jinja2 import UndefinedError

from harness.text.templates import read_template

if TYPE_CHECKING:
    from pathlib import Path


def test_values_are_escaped_and_unknown_names_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "page.html.j2"
    path.write_text("<p>{{ name }}</p>\n{% if more %}\n{{ unknown }}\n{% endif %}\n")
    assert read_template(path).render(name="<script>", more=False) == "<p>&lt;script&gt;</p>\n"
    with pytest.raises(UndefinedError, match="unknown"):
        read_template(path).render(name="", more=True)
