from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.text.markdown import bullets, code, escape, table
from harness.text.plain import neutralise
from tests.pages import Reader, render_markdown


@given(st.text(max_size=30) | st.text("_*~`|[]()<>!&#\\a0 ", max_size=12))
def test_whatever_is_escaped_reads_the_same_in_a_table(text: str) -> None:
    flat = " ".join(text.replace("\0", "").split())
    page_read = Reader(render_markdown(table([escape(flat), "end"], [])))
    assert [tag for tag, _ in page_read.tags] == ["table", "thead", "tr", "th", "th"]
    assert page_read.text.split() == [*neutralise(flat).split(), "end"]


@given(st.text("`*_<&|[]\\a", min_size=1, max_size=12))
def test_code_reads_the_same_whatever_it_contains(text: str) -> None:
    page_read = Reader(render_markdown(code(text)))
    assert ([tag for tag, _ in page_read.tags], page_read.text.strip()) == (["p", "code"], text)


def test_columns_are_aligned_by_their_letters_and_to_the_left_without_one() -> None:
    assert table(["a", "b", "c", "d"], [["1", "2", "3", "4"]], "rcl") == (
        "| a | b | c | d |\n| ---: | :---: | --- | --- |\n| 1 | 2 | 3 | 4 |"
    )


def test_a_list_has_an_item_on_each_line() -> None:
    assert Reader(render_markdown(bullets(["one", "**two**"]))).text.split() == ["one", "two"]
