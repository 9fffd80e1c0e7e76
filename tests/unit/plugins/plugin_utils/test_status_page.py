# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a status is shown: as a table, as a page that needs nothing else, and as a picture in which nothing lies over anything."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_page import page
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_picture import bands_of, common_suffix, cut, picture
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_text import lines_of, table
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_words import size, span
from status_samples import SAMPLES, cluster, dead_leader, dead_scheduler, large, lost_worker, sample

VOID = {"meta", "br", "hr", "link", "img", "input"}
SIZES = [(5, 1120), (2, 440)]
WIDEST_LETTER = {"name": 8.6, "row": 7.4, "detail": 7.1, "caption": 7.9, "label": 7.4}
"""A generous mean width of letters at the sizes of the style sheet."""


class Checker(HTMLParser):
    """Sees that every element is closed, and gathers attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(report: dict[str, Any]) -> Checker:
    """The page, taken apart."""
    checker = Checker()
    checker.feed(page(report))
    checker.close()
    assert checker.open == []
    return checker


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_needs_nothing_from_elsewhere(name: str) -> None:
    report = SAMPLES[name]().report()
    found = checked(report)
    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert {attribute for attribute, _value in found.attributes if attribute.startswith("on")} == set()
    assert {value for attribute, value in found.attributes if attribute in ("src", "href")} <= {report["installation"]["base_url"]}
    assert "@import" not in page(report)
    assert set(re.findall(r"url\(([^)]*)\)", page(report))) <= {"#head1120", "#head440"}


@pytest.mark.parametrize("name", SAMPLES)
def test_page_and_table_say_every_problem_and_every_host(name: str) -> None:
    report = SAMPLES[name]().report()
    shown, text = checked(report).text, "\n".join(lines_of(report))
    for sentence in (problem["text"] for problem in report["problems"]):
        assert sentence in shown
        assert sentence in text
    for host in report["hosts"]:
        assert host["name"] in shown
        assert host["name"] in text
    assert report["summary"] in shown
    assert lines_of(report)[0] == f"{report['verdict'].upper()}: {report['summary']}"


def test_what_others_say_is_no_markup() -> None:
    made = cluster()
    made.unreachable["lb1.example.org"] = '<script>alert("x")</script>'
    found = checked(made.report())
    assert "script" not in found.tags
    assert '<script>alert("x")</script>' in found.text


def drawn(report: dict[str, Any], columns: int, width: int) -> ElementTree.Element:
    """The picture as a tree."""
    return ElementTree.fromstring(picture(report, columns, width))


def rectangle(element: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom."""
    x, y, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two rectangles share a place."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def inside(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether a rectangle is in another one."""
    return one[0] >= other[0] and one[1] >= other[1] and one[2] <= other[2] and one[3] <= other[3]


def of_size(number: int) -> dict[str, Any]:
    """A report about so many hosts, with long names."""
    parts = ["webserver scheduler", "metadata_db", "broker", "worker flower"]
    hosts = {f"a-host-with-a-very-long-name-{place:02}": (parts[place] if place < 4 else "worker") for place in range(number)}
    if number < 4:
        hosts = dict(zip(hosts, ["webserver scheduler metadata_db broker worker", "webserver", "worker"]))
    report: dict[str, Any] = sample(hosts, **({"airflow_base_url": "http://a.example.org"} if number in (2, 3) else {})).report()
    return report


REPORTS = {
    **{name: lambda name=name: SAMPLES[name]().report() for name in SAMPLES},
    **{str(n): lambda n=n: of_size(n) for n in (1, 4, 5, 9, 17, 30)},
}


@pytest.mark.parametrize(("columns", "width"), SIZES)
@pytest.mark.parametrize("name", REPORTS)
def test_nothing_in_a_picture_lies_over_anything(name: str, columns: int, width: int) -> None:
    tree = drawn(REPORTS[name](), columns, width)
    _x, _y, wide, high = (float(word) for word in tree.attrib["viewBox"].split())
    rectangles = list(tree.iter("rect"))
    bands = [rectangle(each) for each in rectangles if each.attrib["class"] == "band"]
    boxes = [rectangle(each) for each in rectangles if each.attrib["class"].startswith("box")]
    assert boxes
    assert all(inside(band, (0, 0, wide, high)) for band in bands)
    assert all(any(inside(box, band) for band in bands) for box in boxes)
    assert not any(overlap(*pair) for pair in itertools.combinations(bands, 2))
    assert not any(overlap(*pair) for pair in itertools.combinations(boxes, 2))
    texts = [text_place(element) for element in tree.iter("text") if element.text]
    for text in texts:
        assert inside(text, (0, 0, wide, high)), text
    assert [pair for pair in itertools.combinations(texts, 2) if overlap(*pair)] == []
    for text in texts:
        around = [box for box in boxes if overlap(text, box)]
        assert all(text[0] >= box[0] and text[2] <= box[2] for box in around)


def text_place(element: ElementTree.Element) -> tuple[float, float, float, float]:
    """About where a text is."""
    long = len(element.text or "") * WIDEST_LETTER[element.attrib["class"]]
    x, y = float(element.attrib["x"]), float(element.attrib["y"])
    left = x - long if element.attrib.get("text-anchor") == "end" else x
    return left, y - 10, left + long, y + 3


def test_the_leader_is_above_those_who_follow_it() -> None:
    tree = drawn(dead_leader().report(), 5, 1120)
    assert len([path for path in tree.iter("path") if path.attrib.get("class") == "flow broken"]) == 1
    boxes = {box.name: box for band in bands_of(dead_leader().report()) if band.component == "metadata_db" for box in band.boxes}
    assert {name: box.role for name, box in boxes.items()} == {
        "data1.example.org": "replica",
        "data2.example.org": "leader",
        "data3.example.org": "replica",
    }


def test_a_state_is_told_by_a_word_too() -> None:
    words = " ".join(element.text or "" for element in drawn(lost_worker().report(), 5, 1120).iter("text"))
    assert "no answer" in words
    assert "silent" in words
    assert "failed" in " ".join(element.text or "" for element in drawn(dead_scheduler().report(), 2, 440).iter("text"))


def test_long_names_are_cut_and_told_in_full() -> None:
    tree = drawn(large().report(), 2, 440)
    titles = {element.text for element in tree.iter("title")}
    assert "airflow-production-scheduler-02.frankfurt.example.org" in titles
    names = [element.text or "" for element in tree.iter("text") if element.attrib["class"] == "name"]
    assert not any("frankfurt" in name for name in names)
    assert len({name for name in names if "\N{HORIZONTAL ELLIPSIS}" in name}) == 5
    assert cut("a-rather-long-name-17", 100, 10) == "a-ra\N{HORIZONTAL ELLIPSIS}me-17"


def test_only_a_domain_that_all_share_is_left_out() -> None:
    assert common_suffix(["a.x.org", "b.x.org"]) == ".x.org"
    assert common_suffix(["a.x.org", "b.y.org"]) == ".org"
    assert common_suffix(["a.x.org"]) == common_suffix(["a", "b"]) == common_suffix(["198.18.0.2", "198.18.0.3"]) == ""


def test_a_table_leaves_empty_columns_out() -> None:
    assert table(("A", "B", "C"), [("1", "", "x"), ("22", "", "")]) == ["A   C", "1   x", "22"]


def test_what_nobody_could_ask_is_said() -> None:
    made = SAMPLES["celery"]()
    found = made.found["airflow.example.org"]
    for part in ("database", "broker"):
        found[part], found["errors"][part] = None, "refused"
    text = "\n".join(lines_of(made.report()))
    assert "PostgreSQL, airflow on 127.0.0.1:5432: nobody could ask it" in text
    assert checked(made.report()).text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (95, "1 min 35 s"), (3600, "1 h"), (7260, "2 h 1 min"), (90061, "1 d 1 h"), (None, "")]
)
def test_spans(seconds: int | None, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0 B"), (1536, "2 kB"), (5 * 1024**2, "5.0 MB"), (200 * 1024**2, "200 MB"), (None, "")])
def test_sizes(number: int | None, words: str) -> None:
    assert size(number) == words
