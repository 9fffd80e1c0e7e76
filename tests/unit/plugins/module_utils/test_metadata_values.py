# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical values and digests."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_json import canonical_json, without_constants
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import ColumnType, RefusedValue
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import (
    Digest,
    JsonEncoder,
    Lines,
    encode,
    encoder_of,
    escape,
    format_float,
    unescape,
)

SPECIAL = "tab\t line\n return\r back\\slash \b\f\v \x01\x1f\x7f \\N 🛠️"


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        (ColumnType("boolean"), 0, "f"),
        (ColumnType("boolean"), 1, "t"),
        (ColumnType("integer"), -(2**31), "-2147483648"),
        (ColumnType("integer", bits=64), 2**63 - 1, "9223372036854775807"),
        (ColumnType("integer"), 3.0, "3"),
        (ColumnType("float"), 2, "2"),
        (ColumnType("numeric"), 1e-7, "0.0000001"),
        (ColumnType("text"), "a\tb\\", "a\\tb\\\\"),
        (ColumnType("text", length=2), "🛠🛠", "🛠🛠"),
        (ColumnType("timestamptz"), "2024-02-29 23:59:59.120000", "2024-02-29 23:59:59.12+00"),
        (ColumnType("timestamptz"), "2024-02-29 23:59:50.000000", "2024-02-29 23:59:50+00"),
        (ColumnType("timestamptz"), "2024-02-29 23:59:50.000000+00:00", "2024-02-29 23:59:50+00"),
        (ColumnType("timestamptz"), "2024-02-29T23:59:50", "2024-02-29 23:59:50+00"),
        (ColumnType("timestamptz"), "0001-01-01", "0001-01-01 00:00:00+00"),
        (ColumnType("timestamp"), "9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"),
        (ColumnType("uuid"), "0123456789ABCDEF0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"),
        (ColumnType("uuid"), "01234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"),
        (ColumnType("bytes"), b"\x00\\x\xff", "\\\\x005c78ff"),
        (ColumnType("bytes"), b"", "\\\\x"),
        (ColumnType("json"), '{ "a" : "\\u0000\\ud800" }', '{ "a" : "\\\\u0000\\\\ud800" }'),
        (ColumnType("json"), 1.5, "1.5"),
        (ColumnType("jsonb"), 7, "7"),
    ],
)
def test_a_value_alone_and_in_a_batch(kind: ColumnType, value: Any, field: str) -> None:
    assert encoder_of(kind).one(value) == field
    assert list(encoder_of(kind).many([value, None, value])) == [field, "\\N", field]
    assert list(encoder_of(kind).many([None, None])) == ["\\N", "\\N"]
    assert list(encoder_of(kind).many([value])) == [field]


@pytest.mark.parametrize(
    ("kind", "value", "what"),
    [
        (ColumnType("boolean"), 2, "the number 2 in a column of booleans"),
        (ColumnType("boolean"), "true", "text of 4 characters in a column of booleans"),
        (ColumnType("integer"), 2**31, "outside the range of 32 bits"),
        (ColumnType("integer"), 1.5, "the number 1.5 in a column of whole numbers"),
        (ColumnType("integer"), "x", "in a column of whole numbers"),
        (ColumnType("float"), "x", "in a column of numbers"),
        (ColumnType("numeric"), float("inf"), "in a column of decimal numbers"),
        (ColumnType("text"), "a\0b", "NUL character"),
        (ColumnType("text", length=3), "abcd", "text of 4 characters where 3 are allowed"),
        (ColumnType("text"), b"abc", "binary data of 3 bytes in a column of text"),
        (ColumnType("timestamptz"), "2023-02-29 00:00:00.000000", "in a column of timestamps"),
        (ColumnType("timestamptz"), "2023-02-28 00:00:00.123", "in a column of timestamps"),
        (ColumnType("timestamptz"), "2023-02-28 00:00:00+02:00", "in a column of timestamps"),
        (ColumnType("timestamptz"), "20230228", "in a column of timestamps"),
        (ColumnType("timestamptz"), 1700000000, "in a column of timestamps"),
        (ColumnType("uuid"), "0123", "in a column of UUIDs"),
        (ColumnType("uuid"), f"{'0' * 32}\n", "in a column of UUIDs"),
        (ColumnType("uuid"), f"{'0' * 32}\n{'1' * 32}", "in a column of UUIDs"),
        (ColumnType("bytes"), "text", "in a column of binary data"),
        (ColumnType("json"), "{", "text that is not JSON"),
        (ColumnType("json"), "[" * 100_000, "nested too deeply"),
        (ColumnType("jsonb"), '"\\u0000"', "NUL character"),
        (ColumnType("jsonb"), '"\\ud800"', "half of a surrogate pair"),
        (ColumnType("jsonb"), "1e999999", "too many digits"),
    ],
)
def test_what_the_server_cannot_hold_is_refused(kind: ColumnType, value: Any, what: str) -> None:
    with pytest.raises(RefusedValue, match=what):
        encoder_of(kind).one(value)
    with pytest.raises(RefusedValue, match=what):
        encoder_of(kind).many([None, value])


REPLACED = [
    (ColumnType("text"), "a\0b", "a\ufffdb"),
    (ColumnType("text"), "\0", "\ufffd"),
    (ColumnType("text"), "a\udcffb\t", "a\ufffdb\\t"),
    (ColumnType("text", charset="utf8mb3", engine="MySQL"), "a\0\udcff", "a\\0\ufffd"),
    (ColumnType("json"), '"a\udcff"', '"a\ufffd"'),
    (ColumnType("json"), '"\\u0000"', '"\\\\u0000"'),
    (ColumnType("jsonb"), '"\\u0000\\u0000"', '"\\\\ufffd\\\\ufffd"'),
    (ColumnType("jsonb"), '"\\ud800\\ud83d\\ude00\\udc00\0"', '"\\\\ufffd\\\\ud83d\\\\ude00\\\\ufffd\ufffd"'),
    (ColumnType("jsonb", engine="MySQL"), '"\\u0000\\udbff"', '"\\\\u0000\\\\ufffd"'),
    (ColumnType("jsonb"), '"\\\\u0000"', '"\\\\\\\\u0000"'),
]


@pytest.mark.parametrize(("kind", "value", "field"), REPLACED)
def test_a_character_is_replaced_where_that_is_wanted(kind: ColumnType, value: str, field: str) -> None:
    encoder = encoder_of(kind, replaces=True)
    assert encoder.one(value) == field
    assert list(encoder.many(["x" if kind.kind == "text" else '"x"', value, None])) == ["x" if kind.kind == "text" else '"x"', field, "\\N"]
    is_changed = "ufffd" in field or "\ufffd" in field
    assert encoder.counts() == (0, 2 if is_changed else 0)
    sentence = f"2 values of t.c have characters that {kind.engine} cannot hold; U+FFFD stands in for each of these."
    assert encoder.notes("t", "c") == ([sentence] if is_changed else [])


def test_both_sides_have_one_digest_after_a_replacement() -> None:
    kinds = [ColumnType("text"), ColumnType("jsonb")]
    source = Lines([encoder_of(kind, replaces=True) for kind in kinds])
    lines = source.encode([("a\0", '{"b": "\\u0000"}')])
    target = Lines([encoder_of(kind) for kind in kinds])
    # As PostgreSQL writes the document.
    target.add([lines[0].replace(b"\\\\ufffd", "\ufffd".encode())])
    assert source.digest.hexdigest() == target.digest.hexdigest()


def test_a_refusal_does_not_show_the_value() -> None:
    with pytest.raises(RefusedValue) as refused:
        encoder_of(ColumnType("integer")).one("hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (100.0, "100"),
        (0.1, "0.1"),
        (1 / 3, "0.3333333333333333"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (123456789012345.0, "123456789012345"),
        (1e15, "1e+15"),
        (1.25e100, "1.25e+100"),
        (-5e-324, "-5e-324"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_floats_are_written_as_postgresql_does(value: float, text: str) -> None:
    assert format_float(value) == text


def test_escaping_is_undone() -> None:
    assert unescape(escape(SPECIAL)) == SPECIAL
    assert "\t" not in escape(SPECIAL)
    assert "\n" not in escape(SPECIAL)


def test_escaping_is_undone_whatever_stands_beside_a_backslash() -> None:
    texts = ["".join(parts) for parts in itertools.product(["\\", "n", "t", "b", "0", "\n", "\b", "\0", "x"], repeat=4)]
    assert [unescape(escape(text, "MySQL")) for text in texts] == texts


def test_a_batch_of_numbers_without_any_is_nulls() -> None:
    for kind in ("integer", "float", "timestamptz", "uuid", "text", "bytes", "json", "boolean"):
        assert list(encoder_of(ColumnType(kind)).many([None, None])) == ["\\N", "\\N"]


def test_documents_are_read_once_and_digested_as_the_servers_are() -> None:
    values = ['{"b": "\t\\\\", "a": [1.50]}'.replace("\t", "\\t"), None, '{"b": 1}', '{"b": 1}', 7, 7.0, "[NaN]", "[NaN]"]
    for kind in ("json", "jsonb"):
        encoder = encoder_of(ColumnType(kind))
        assert isinstance(encoder, JsonEncoder)
        fields, digested = encoder.documents(values)
        assert fields == list(encoder_of(ColumnType(kind)).many(values))
        assert digested == [encoder.canonical(field) for field in fields]
        assert encoder.changed == 2


def test_lines_with_documents_are_those_without_a_digest() -> None:
    columns = [ColumnType("integer"), ColumnType("json"), ColumnType("text"), ColumnType("jsonb")]
    rows = [(1, '{"b":"\\n","a":1}', SPECIAL, "[1]"), (2, None, None, None), (3, "null", "", '"\\u00e4"')]
    lines = Lines([encoder_of(column) for column in columns])
    sent = lines.encode(rows)
    assert sent == encode([encoder_of(column) for column in columns], rows)
    received = Lines([encoder_of(column) for column in columns])
    received.add(sent)
    assert (lines.digest.rows, lines.digest.hexdigest()) == (received.digest.rows, received.digest.hexdigest())


def test_a_batch_of_special_text_stays_apart() -> None:
    values = [SPECIAL, None, "", "plain", "\\", "\\\\t"]
    assert list(encoder_of(ColumnType("text")).many(values)) == ["\\N" if value is None else escape(value) for value in values]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
        ("1e2", "100"),
        ("-0.0", "0.0"),
        ('"\\u00e4"', '"ä"'),
        ('"\\ud83d\\ude00"', '"😀"'),
        ("[1.50]", " [ 1.5 ] "),
        ("1.5e-7", "0.00000015"),
        ("0.0e9", "0"),
        ("1" + "0" * 5000, "1" + "0" * 5000),
    ],
)
def test_equal_documents_have_one_text(one: str, other: str) -> None:
    assert canonical_json(one) == canonical_json(other)


@pytest.mark.parametrize(
    ("one", "other"), [("1", '"1"'), ("1.5", '"1.5"'), ("1.5", "1.51"), ("null", '"null"'), ("true", "1"), ("[]", "{}")]
)
def test_different_documents_have_different_texts(one: str, other: str) -> None:
    assert canonical_json(one) != canonical_json(other)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert canonical_json('"\\\\u0000"') == '"\\\\u0000"'


def test_constants_become_null_outside_of_strings() -> None:
    assert without_constants('{"NaN": [NaN, -Infinity,Infinity], "x": "\\"NaN"}') == ('{"NaN": [null, null,null], "x": "\\"NaN"}', True)
    assert without_constants('"NaN"') == ('"NaN"', False)
    encoder = encoder_of(ColumnType("json"))
    assert list(encoder.many(["[NaN]", "[1]", None])) == ["[null]", "[1]", "\\N"]
    assert encoder.changed == 1


def test_the_digest_does_not_depend_on_order_but_on_number_and_content() -> None:
    def digest(*lines: bytes) -> tuple[int, str]:
        result = Digest()
        result.add(lines)
        return result.rows, result.hexdigest()

    assert digest(b"a", b"b", b"b") == digest(b"b", b"a", b"b")
    assert digest(b"a", b"b", b"b") != digest(b"a", b"a", b"b")
    assert digest(b"a")[1] != digest(b"a", b"a")[1]
    assert digest() == (0, "0" * 32)


@pytest.mark.parametrize("kind", ["text", "jsonb"])
def test_no_rows_are_no_lines(kind: str) -> None:
    lines = Lines([encoder_of(ColumnType("integer")), encoder_of(ColumnType(kind))])
    empty = str(lines.digest)
    assert lines.encode([]) == encode(lines.encoders, []) == []
    assert str(lines.digest) == empty


def test_lines_are_fields_separated_by_tabs() -> None:
    lines = Lines([encoder_of(ColumnType("integer")), encoder_of(ColumnType("text"))])
    assert lines.encode([(1, "a\tb"), (2, None)]) == [b"1\ta\\tb\n", b"2\t\\N\n"]
    assert lines.digest.rows == 2


def test_both_spellings_of_a_document_have_one_digest() -> None:
    def lines() -> Lines:
        return Lines([encoder_of(ColumnType("integer")), encoder_of(ColumnType("jsonb"))])

    sent, received = lines(), lines()
    sent.encode([(1, '{"b":"\\t","a":1}'), (2, None)])
    received.add([b'1\t{"a": 1, "b": "\\\\t"}\n', b"2\t\\N\n"])
    assert sent.digest.hexdigest() == received.digest.hexdigest()
