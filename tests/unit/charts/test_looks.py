from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalog import listing
from harness.charts._colours import COLOURS, MUTED
from harness.charts._lines import MOST_IN_COLOUR, line_looks
from harness.charts._looks import MARKERS, SOLID, look, looks
from tests import synthetic
from tests.reported import ASKED

SERVERS = [server.name for server in listing.servers()]


def test_every_server_of_the_catalogue_has_a_look_of_its_own() -> None:
    """A server that is added later needs no place; two of a family might then share their dashes."""
    shared = [(one, other) for one, other in combinations(SERVERS, 2) if look(one) == look(other)]
    assert not shared


def test_families_have_markers_of_their_own_and_variants_share_them_but_not_the_dashes() -> None:
    plain = [name for name in SERVERS if "-" not in name]
    assert len({look(name).marker for name in plain}) == len(plain)
    assert max(Counter(look(name).colour for name in plain).values()) <= 2, "there are fewer colours than servers"
    for name in SERVERS:
        family = look(name.partition("-")[0])
        assert (look(name).colour, look(name).marker) == (family.colour, family.marker)
        assert (look(name).dashes == SOLID) == (name in plain)


@pytest.mark.parametrize(
    "name", ["uvicorn (control)", "uvicorn@0.54.0", "uvicorn-h11@0.54.0", "fastapi on uvicorn-h11"]
)
def test_controls_versions_and_apps_are_variants_of_their_server(name: str) -> None:
    assert look(name).colour == look("uvicorn").colour
    assert look(name).dashes != SOLID


def test_apps_that_the_catalogue_has_differ_from_each_other() -> None:
    names = [app.name for app in listing.apps()]
    assert len({(look(name).colour, look(name).marker) for name in names}) == len(names)


@given(st.text())
def test_any_name_has_a_look(name: str) -> None:
    assert look(name).colour in COLOURS
    assert look(name).marker in MARKERS
    assert looks([name]) == {name: look(name)}


@given(st.from_regex(r"my[a-z0-9]{0,8}(-[a-z]{1,5})?", fullmatch=True))
def test_a_new_name_never_has_the_colour_and_the_marker_of_a_family(name: str) -> None:
    taken = {(look(each).colour, look(each).marker) for each in SERVERS}
    assert (look(name).colour, look(name).marker) not in taken


@given(st.lists(st.sampled_from(["tcp", "socket", "h11", "0", "1", "2", "mt"]), unique=True))
def test_variants_of_one_family_differ_and_those_of_the_catalogue_keep_their_dashes(variants: list[str]) -> None:
    """There are as many dashes as these variants."""
    names = [f"nginx-{variant}" for variant in variants]
    found = looks(names)
    assert len(set(found.values())) == len(names)
    assert found == looks(reversed(names))
    assert looks([*SERVERS, *names]).items() >= {name: look(name) for name in SERVERS}.items()


def test_of_many_lines_those_that_lead_and_the_reference_are_in_colour() -> None:
    names = tuple(sorted(SERVERS, key=lambda name: name != "uwsgi"))
    comparisons = synthetic.summaries(names, ASKED[:2], synthetic.no_faults, 200)
    found = line_looks(comparisons)
    coloured = {name for name, own in found.items() if own.colour != MUTED}
    assert len(coloured) == MOST_IN_COLOUR
    assert "uwsgi" in coloured, "others are divided by it"
    best = {each.summaries[0].name for each in comparisons}
    assert best <= coloured
    few = line_looks(synthetic.summaries(names[:MOST_IN_COLOUR], ASKED[:1], synthetic.no_faults, 200))
    assert all(own == look(name) for name, own in few.items())
