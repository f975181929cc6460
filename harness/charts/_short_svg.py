"""The same picture in fewer bytes, since documentation and pages hold many: Matplotlib says each style anew each time.

Styles become classes of one style sheet, so that a picture for dark pages differs in that alone. Places are rounded to
a tenth of a point, a fifth of a pixel where a chart is 1,200 pixels wide; the steps of paths are relative.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_METADATA, _STYLE, _GROUP, _USE, _TEXT, _DEFS = (
    f"{{{_SVG}}}{name}" for name in ("metadata", "style", "g", "use", "text", "defs")
)
_OF_ALL = {"stroke-linejoin": "round", "stroke-linecap": "butt"}
"""What Matplotlib's style sheet says of all elements."""
_COARSE, _FINE = 1, 2
"""Decimal places of what lies in the picture, and of all else, such as the shape of a mark."""
_LONG_NUMBER = re.compile(r"-?\d+\.\d\d+")
_STEP = re.compile(r"([MLQCz])([^MLQCz]*)")
_REFERENCE = re.compile(r"(?<=url\(#)[^)]*")
_NOT_TURNED = re.compile(r"rotate\(-?0 [^)]*\)")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def shorten(svg: str) -> str:
    """The picture of a file that Matplotlib wrote."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(svg)  # noqa: S314 - Matplotlib wrote it just now
    _remove(root, _METADATA, _STYLE)
    for each in root.iter():
        _round(each)
    _name_shortly(root)
    _flatten(root)
    root.attrib |= _OF_ALL
    style = ET.Element(_STYLE)
    style.text = f"\n{_make_classes(root)}\n"
    root.insert(0, style)
    _break_lines(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}'


def _remove(root: ET.Element, *tags: str) -> None:
    for parent in list(root.iter()):
        for child in [each for each in parent if each.tag in tags]:
            parent.remove(child)
        if parent.tag == _DEFS:
            parent.text = None


def _round(element: ET.Element) -> None:
    own = element.attrib
    fine = "id" in own or own.get("width", "").endswith("pt")  # a mark, or the whole
    for name, value in own.items():
        if name == "d":
            own[name] = _shorten_path(value, _FINE if fine else _COARSE)
        elif name in {"x", "y", "width", "height"} and not fine:
            own[name] = _write(float(value), _COARSE)
        elif name not in {"id", _HREF}:
            own[name] = " ".join(_LONG_NUMBER.sub(lambda found: _write(float(found[0]), _FINE), value).split())
    if _NOT_TURNED.fullmatch(own.get("transform", "")):
        del own["transform"]


def _write(number: float, places: int) -> str:
    text = f"{number:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _shorten_path(path: str, places: int) -> str:
    """A path in relative steps; these are differences of rounded places, so that errors do not add up."""
    unit = 10**places
    parts: list[str] = []
    at = start = (0, 0)
    last = ""
    for command, text in _STEP.findall(path):
        numbers = [round(float(number) * unit) for number in text.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        letter, steps = command.lower(), [number for x, y in points for number in (x - at[0], y - at[1])]
        match letter, steps:
            case "l", [0, 0] if last in {"l", "h", "v"}:
                continue
            case "l", [across, 0]:
                letter, steps = "h", [across]
            case "l", [0, down]:
                letter, steps = "v", [down]
        said = _join([_write(step / unit, places) for step in steps])
        again = letter == last and letter not in {"m", "z"}
        parts.append(said if again and said.startswith("-") else f" {said}" if again else f"{letter}{said}")
        at = points[-1] if points else start
        start = at if letter == "m" else start
        last = letter
    return "".join(parts)


def _join(numbers: Sequence[str]) -> str:
    """Numbers with no more between them than they need."""
    return "".join(each if each.startswith("-") else f" {each}" for each in numbers).lstrip()


def _name_shortly(root: ET.Element) -> None:
    """Give short ids to elements that are referred to, and none to others."""
    everything = list(root.iter())
    used = [name for each in everything for value in each.attrib.values() for name in _REFERENCE.findall(value)]
    used += [each.attrib[_HREF][1:] for each in everything if _HREF in each.attrib]
    short = dict(zip(dict.fromkeys(used), _count_in_letters(), strict=False))
    for each in everything:
        own = each.attrib
        for name, value in own.items():
            own[name] = _REFERENCE.sub(lambda found: short[found[0]], value)
        if _HREF in own:
            own[_HREF] = f"#{short[own[_HREF][1:]]}"
        if own.get("id") in short:
            own["id"] = short[own["id"]]
        else:
            own.pop("id", None)


def _count_in_letters() -> Iterator[str]:
    """a, b, … z, aa, ab, …"""
    yield from _LETTERS
    for first in _count_in_letters():
        yield from (first + second for second in _LETTERS)


def _flatten(element: ET.Element) -> None:
    """Open groups that say nothing, and let neighbours say once what they share."""
    if element.tag == _TEXT:
        return
    for child in element:
        _flatten(child)
    children = [part for child in element for part in _open(child)]
    styles = {each.get("style") for each in children if each.tag == _USE}
    if element.tag == _GROUP and len(styles) == 1 and all(each.tag == _USE for each in children):
        element.attrib |= {"style": children[0].attrib.pop("style")}
        for each in children[1:]:
            del each.attrib["style"]
    element[:] = []
    for clip, found in groupby(children, key=lambda each: each.get("clip-path")):
        together = list(found)
        if clip is None or len(together) == 1:
            element.extend(together)
            continue
        for each in together:
            del each.attrib["clip-path"]
        around = ET.SubElement(element, _GROUP, {"clip-path": clip})
        around.extend(part for each in together for part in _open(each))


def _open(element: ET.Element) -> list[ET.Element]:
    """What is in a group that says nothing; else the element itself. Empty groups and definitions are nothing."""
    if element.tag in {_GROUP, _DEFS} and not len(element):
        return []
    return list(element) if element.tag == _GROUP and not element.attrib else [element]


def _make_classes(root: ET.Element) -> str:
    """Give each element a class in place of its style, and return the rules of all classes."""
    styled = [each for each in root.iter() if "style" in each.attrib]
    names = dict(zip(dict.fromkeys(each.attrib["style"] for each in styled), _count_in_letters(), strict=False))
    for each in styled:
        each.set("class", names[each.attrib.pop("style")])
    return "\n".join(f".{name}{{{style}}}" for style, name in names.items())


def _break_lines(root: ET.Element) -> None:
    """One element in a line; texts stay as they are."""
    for each in root.iter():
        if each.tag not in {_TEXT, _STYLE}:
            each.text = "\n" if len(each) else None
            for child in each:
                child.tail = "\n"
