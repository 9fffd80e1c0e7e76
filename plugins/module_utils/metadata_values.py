# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns raw column values into canonical lines, and digests lines.

The canonical line of a row is the text PostgreSQL itself writes for it with COPY TO (session time zone UTC). A value is brought into that
form by the type of the target's column, so that one text serves three purposes: it is loaded, it is digested on its way, and what the
server gives afterwards must have the same digest. JSON documents are written differently by each server; both sides digest a canonical
one. Nothing in a line depends on the engine: one table has one digest on any of them, unless a value was changed on purpose.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_json import (
    canonical_json,
    check_json,
    with_replacements,
    without_constants,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import ColumnType, RefusedCharacter, RefusedValue

NULL = "\\N"
_NONE = type(None)
# Longer values do not fit into one message of the server, whose limit is 1 GB; binary data is sent as two digits a byte.
MAX_BYTES = 250_000_000

_ESCAPES = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
# PostgreSQL holds no NUL character; MySQL does.
_UNESCAPES = {"0": "\0", **{value[1]: key for key, value in _ESCAPES.items()}}
_ESCAPABLE = re.compile(r"[\\\b\f\n\r\t\v]")
_ESCAPED = re.compile(r"\\(.)")
_HEX32 = re.compile(r"[0-9a-f]{32}")
_UUIDS = re.compile(r"(?:[0-9a-f]{32}(?:\n|$))+")
_DAY_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?:\.\d{6})?)?", re.ASCII)
_MOMENTS = re.compile(r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}(?:\n|$))+", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
# What stands in for a character that an engine cannot hold, where the user wants that, and which those are.
REPLACEMENT = "\ufffd"
_NOT_HELD = {"PostgreSQL": re.compile("[\0\ud800-\udfff]"), "MySQL": _SURROGATE}


def has_surrogate(value: Any) -> bool:
    """Whether a value is text with a half of a surrogate pair, as bytes that are not UTF-8 are read leniently."""
    return isinstance(value, str) and not value.isascii() and _SURROGATE.search(value) is not None


def escape(text: str, engine: str = "PostgreSQL") -> str:
    """The text as a field of a line."""
    if "\0" in text:
        if engine == "PostgreSQL":
            raise RefusedCharacter("text with a NUL character, which PostgreSQL cannot hold")
        return escape_all(text).replace("\0", "\\0")
    return escape_all(text) if _ESCAPABLE.search(text) else text


def escape_all(text: str) -> str:
    """The text with every special character but NUL escaped; the backslash first, for the escapes hold it."""
    text = text.replace("\\", "\\\\")
    for character, escaped in _ESCAPES.items():
        if character != "\\":
            text = text.replace(character, escaped)
    return text


def unescape(field: str) -> str:
    """The text of a field of a line."""
    if "\\" not in field:
        return field
    # A field holds none of the characters that are escaped, so one of them can stand for the backslashes that were doubled.
    text = field.replace("\\\\", "\b")
    if "\\" in text:
        for escaped, character in _UNESCAPES.items():
            if escaped not in "\\b":
                text = text.replace("\\" + escaped, character)
        if "\\" in text:
            return _ESCAPED.sub(lambda match: _UNESCAPES.get(match.group(1), match.group(1)), field)
    return text.replace("\b", "\\")


def format_float(value: float) -> str:
    """The shortest text that reads back as the same number, in PostgreSQL's notation."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-4 <= abs(value) < 1e15:
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    power = len(digits) + int(exponent) - 1
    return f"{'-' if sign else ''}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def single_precision(value: float) -> float:
    """The number with the fewest digits that is the same one in single precision."""
    packed = struct.pack("f", value)
    rounded = struct.unpack("f", packed)[0]
    for digits in range(6, 9):
        shorter = float(f"{rounded:.{digits}g}")
        if struct.pack("f", shorter) == packed:
            return shorter
    return float(f"{rounded:.9g}")


class Encoder:
    """Turns the values of one column into fields of canonical lines, and counts those that do not stay what they are."""

    change = ""
    """What becomes of them, as a message tells it."""

    def __init__(self, column: ColumnType) -> None:
        self.column = column
        self.changed = 0
        self.replaces = False
        self.replaced = 0

    def one(self, value: Any) -> str:
        """The field of a value that is not NULL; raises RefusedValue."""
        raise NotImplementedError

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """The fields of a batch of values."""
        one = self.one
        return [NULL if value is None else one(value) for value in values]

    def canonical(self, field: str) -> str:
        """The field as it is digested."""
        return field

    def held(self, text: str) -> str:
        """The text as the engine can hold it, where characters may be replaced."""
        if not self.replaces:
            return text
        found = _NOT_HELD[self.column.engine].sub(REPLACEMENT, text)
        self.replaced += found != text
        return found

    def counts(self) -> tuple[int, int]:
        """How many values were changed so far, and how many had characters replaced."""
        return self.changed, self.replaced

    def notes(self, table: str, column: str) -> list[str]:
        """The sentences about values that do not stay what they are."""
        changed = [f"{self.changed} values of {table}.{column} {self.change}."] if self.changed else []
        said = f"have characters that {self.column.engine} cannot hold; U+FFFD stands in for each of these"
        return changed + ([f"{self.replaced} values of {table}.{column} {said}."] if self.replaced else [])


_BOOLEANS = {0: "f", 1: "t", None: NULL}


class BooleanEncoder(Encoder):
    """SQLite's 0 and 1."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if type(value) in (int, bool) and value in (0, 1):
            return "t" if value else "f"
        raise RefusedValue(f"{_shown(value)} in a column of booleans")

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder."""
        try:
            return [_BOOLEANS[value] for value in values]
        except KeyError:
            return super().many(values)


class IntegerEncoder(Encoder):
    """Whole numbers within the range of the column."""

    def __init__(self, column: ColumnType) -> None:
        super().__init__(column)
        self.limit = 1 << (column.bits - 1)

    def one(self, value: Any) -> str:
        """See Encoder."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int):
            raise RefusedValue(f"{_shown(value)} in a column of whole numbers")
        if not -self.limit <= value < self.limit:
            raise RefusedValue(f"the number {value}, outside the range of {self.column.bits} bits")
        return str(value)

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder; types and range are checked in all values at once."""
        types = set(map(type, values))
        if types == {_NONE}:
            return [NULL] * len(values)
        present = values if _NONE not in types else [value for value in values if value is not None]
        if types - {_NONE} != {int} or min(present) < -self.limit or max(present) >= self.limit:
            return super().many(values)
        return list(map(str, values)) if present is values else [NULL if value is None else str(value) for value in values]


class FloatEncoder(Encoder):
    """Double precision numbers."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        return format_float(self.number(value))

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder; NULL is the most frequent value."""
        if set(map(type, values)) == {_NONE}:
            return [NULL] * len(values)
        return super().many(values)

    def number(self, value: Any) -> float:
        """The value as a number."""
        if type(value) not in (int, float):
            raise RefusedValue(f"{_shown(value)} in a column of numbers")
        if self.column.engine == "MySQL" and not math.isfinite(value):
            raise RefusedValue(f"{_shown(value)}, which MySQL cannot hold")
        return float(value)


class SingleEncoder(FloatEncoder):
    """Single precision numbers: MySQL's FLOAT, which Airflow uses there."""

    change = "have more than the seven digits that MySQL's FLOAT holds; they are rounded"

    def one(self, value: Any) -> str:
        """See Encoder."""
        number = self.number(value)
        try:
            rounded = single_precision(number)
        except OverflowError:
            raise RefusedValue(f"the number {value}, outside the range of single precision") from None
        self.changed += rounded != number
        return format_float(rounded)


class NumericEncoder(Encoder):
    """Decimal numbers; SQLite has none, so they come from there as whole or floating ones."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if type(value) not in (int, float, Decimal) or not math.isfinite(value):
            raise RefusedValue(f"{_shown(value)} in a column of decimal numbers")
        return format(value if isinstance(value, Decimal) else Decimal(repr(value)), "f")


class TextEncoder(Encoder):
    """Text, with the length in characters and the size in bytes that the column allows."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if not isinstance(value, str):
            raise RefusedValue(f"{_shown(value)} in a column of text")
        value = self.held(value)
        if self.column.length is not None and len(value) > self.column.length:
            raise RefusedValue(f"text of {len(value)} characters where {self.column.length} are allowed")
        if len(value) > MAX_BYTES:
            raise RefusedValue(f"text of {len(value)} characters, too long for {self.column.engine}")
        if self.column.size is not None and len(value) * 4 > self.column.size and _size(value) > self.column.size:
            raise RefusedValue(f"text of {_size(value)} bytes where {self.column.engine} allows {self.column.size}")
        if self.column.charset and not value.isascii() and not _fits(value, self.column.charset):
            raise RefusedValue(f"text with a character that MySQL's character set {self.column.charset} does not have")
        return escape(value, self.column.engine)

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder; special characters are escaped in all values at once."""
        present = [value for value in values if value is not None]
        if not present:
            return [NULL] * len(values)
        try:
            together = "\0".join(present)
        except TypeError:
            return super().many(values)
        if together.count("\0") >= len(present) or max(map(len, present)) > self._plain_length():
            return super().many(values)
        if (self.column.charset and not together.isascii()) or (self.replaces and has_surrogate(together)):
            return super().many(values)
        if _ESCAPABLE.search(together):
            present = escape_all(together).split("\0")
        if len(present) == len(values):
            return present
        fields = iter(present)
        return [NULL if value is None else next(fields) for value in values]

    def _plain_length(self) -> int:
        """Characters that fit whatever they are."""
        size = MAX_BYTES if self.column.size is None else self.column.size // 4
        return size if self.column.length is None else min(size, self.column.length)


class TimestampEncoder(Encoder):
    """Points in time, which Airflow stores in SQLite as text in UTC."""

    change = "have a fraction of a second, which MySQL's column does not hold; it is cut off"

    def __init__(self, column: ColumnType) -> None:
        super().__init__(column)
        self.zone = "+00" if column.kind == "timestamptz" else ""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if not isinstance(value, str):
            raise RefusedValue(f"{_shown(value)} in a column of timestamps")
        text = value[:-6] if value.endswith("+00:00") else value
        # Other lengths of the fraction are read differently by different versions of SQLAlchemy.
        if _DAY_OR_TIME.fullmatch(text) is None:
            raise RefusedValue(f"{_shown(value)} in a column of timestamps")
        try:
            moment = datetime.fromisoformat(text).isoformat(" ", "microseconds")
        except ValueError:
            raise RefusedValue(f"{_shown(value)} in a column of timestamps") from None
        if self.column.moments and not self.column.moments[0] <= moment <= self.column.moments[1]:
            raise RefusedValue(f"a timestamp of the year {moment[:4]}, outside the range of MySQL's column")
        if not self.column.fraction and not moment.endswith(_WHOLE):
            self.changed += 1
            moment = moment[:19] + _WHOLE
        return _shortened(moment) + self.zone

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder; the form SQLAlchemy writes is checked in all values at once."""
        present = [value for value in values if value is not None]
        if not present:
            return [NULL] * len(values)
        try:
            if _MOMENTS.fullmatch("\n".join(present)) is None or not self._all_fit(present):
                return super().many(values)
            for value in present:
                datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return super().many(values)
        zone = self.zone
        # All have six digits behind the point.
        return [NULL if value is None else value.rstrip("0").rstrip(".") + zone for value in values]

    def _all_fit(self, moments: list[str]) -> bool:
        known = self.column.moments
        return self.column.fraction == 6 and (known is None or (known[0] <= min(moments) and max(moments) <= known[1]))


_WHOLE = ".000000"


def _shortened(moment: str) -> str:
    """Without zeros at the end of the fraction, as PostgreSQL writes it."""
    return moment[:19] if moment.endswith(_WHOLE) else moment.rstrip("0")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _fits(text: str, charset: str) -> bool:
    """Whether MySQL's character set has all characters of a text."""
    if charset == "utf8mb3":
        return max(text) <= "\uffff"
    try:
        text.translate(_LATIN1_CONTROLS).encode(_CODECS[charset])
    except (KeyError, UnicodeEncodeError):
        return False
    return True


# MySQL's latin1 is Windows' code page 1252, with control characters where that has nothing.
_CODECS = {"latin1": "cp1252", "ascii": "ascii"}
_LATIN1_CONTROLS = dict.fromkeys((0x81, 0x8D, 0x8F, 0x90, 0x9D))


class UuidEncoder(Encoder):
    """Identifiers of 32 hexadecimal digits, with or without dashes."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        digits = value.replace("-", "").lower() if isinstance(value, str) else ""
        if _HEX32.fullmatch(digits) is None:
            raise RefusedValue(f"{_shown(value)} in a column of UUIDs")
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder; the form SQLAlchemy writes is checked in all values at once."""
        try:
            together = "\n".join(values)
        except TypeError:
            return super().many(values)
        if len(together) != 33 * len(values) - 1 or _UUIDS.fullmatch(together) is None:
            return super().many(values)
        return [f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}" for digits in values]


class BytesEncoder(Encoder):
    """Binary data, byte for byte."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if not isinstance(value, bytes):
            raise RefusedValue(f"{_shown(value)} in a column of binary data")
        if len(value) > MAX_BYTES:
            raise RefusedValue(f"binary data of {len(value)} bytes, too long for {self.column.engine}")
        if self.column.size is not None and len(value) > self.column.size:
            raise RefusedValue(f"binary data of {len(value)} bytes where {self.column.engine} allows {self.column.size}")
        return "\\\\x" + value.hex()


class JsonEncoder(Encoder):
    """JSON documents, whose text PostgreSQL keeps as it is."""

    change = "hold NaN or Infinity, which JSON does not know; they become null, as Airflow's own upgrade does it"
    is_taken_apart = False

    def text(self, value: Any) -> str:
        """The document's text; SQLite turns a document that is just a number into a number."""
        if type(value) in (int, float):
            value = str(value)
        if not isinstance(value, str):
            raise RefusedValue(f"{_shown(value)} in a column of JSON documents")
        replaced = self.replaced
        value = self.held(value)
        if self.replaces and self.is_taken_apart:
            plain = with_replacements(value, self.column.engine)
            self.replaced = max(self.replaced, replaced + (plain != value))
            value = plain
        if len(value) > MAX_BYTES:
            raise RefusedValue(f"a JSON document of {len(value)} characters, too long for {self.column.engine}")
        text, found = without_constants(value)
        self.changed += found
        return text

    def one(self, value: Any) -> str:
        """See Encoder."""
        text = self.text(value)
        check_json(text)
        return escape(text)

    def canonical(self, field: str) -> str:
        """See Encoder."""
        return field if field == NULL else canonical_json(unescape(field))

    def documents(self, values: Sequence[Any]) -> tuple[list[str], list[str]]:
        """The fields of a batch of values, and beside them as they are digested; each document is read once."""
        known: dict[str, tuple[str, str]] = {}
        both = []
        for value in values:
            pair = (NULL, NULL) if value is None else known.get(value) if isinstance(value, str) else None
            if pair is None:
                changed, text = self.changed, self.text(value)
                pair = (escape(text), canonical_json(text, self.engine))
                if self.changed == changed and text is value:
                    known[text] = pair
            both.append(pair)
        return [field for field, _digested in both], [digested for _field, digested in both]

    @property
    def engine(self) -> str:
        """The server that takes documents apart, none where it keeps their text."""
        return ""


class DocumentEncoder(JsonEncoder):
    """JSON documents that the server stores taken apart: PostgreSQL's jsonb and MySQL's json."""

    is_taken_apart = True

    def one(self, value: Any) -> str:
        """See Encoder."""
        text = self.text(value)
        canonical_json(text, self.engine)
        return escape(text)

    @property
    def engine(self) -> str:
        """See JsonEncoder."""
        return self.column.engine


_ENCODERS: dict[str, type[Encoder]] = {
    "boolean": BooleanEncoder,
    "integer": IntegerEncoder,
    "float": FloatEncoder,
    "single": SingleEncoder,
    "numeric": NumericEncoder,
    "text": TextEncoder,
    "timestamp": TimestampEncoder,
    "timestamptz": TimestampEncoder,
    "uuid": UuidEncoder,
    "bytes": BytesEncoder,
    "json": JsonEncoder,
    "jsonb": DocumentEncoder,
}


def encoder_of(column: ColumnType, replaces: bool = False) -> Encoder:
    """The encoder for a column of the target; with `replaces`, U+FFFD stands in for characters that its engine cannot hold."""
    encoder = _ENCODERS[column.kind](column)
    encoder.replaces = replaces
    return encoder


def _shown(value: Any) -> str:
    """A value as a message may show it: its kind only, for it may be a secret."""
    if isinstance(value, bytes):
        return f"binary data of {len(value)} bytes"
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    return f"the number {value}"


class Digest:
    """A digest of a set of lines that does not depend on their order: the sum of their hashes."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, lines: Iterable[bytes]) -> None:
        """Count lines in."""
        hashes = [blake2b(line, digest_size=16).digest() for line in lines]
        self.rows += len(hashes)
        self._sum += sum(int.from_bytes(item, "big") for item in hashes)

    def hexdigest(self) -> str:
        """The digest of the lines so far."""
        return format(self._sum % (1 << 128), "032x")


def encode(encoders: Sequence[Encoder], batch: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """The lines of a batch; raises RefusedValue."""
    if not batch:
        return []
    return _lines([encoder.many(values) for encoder, values in zip(encoders, zip(*batch))])


def _lines(columns: Iterable[Sequence[str]]) -> list[bytes]:
    """Lines of columns of fields; none of what ends a line is in a field."""
    return ("\n".join(map("\t".join, zip(*columns))) + "\n").encode().splitlines(keepends=True)


class Lines:
    """Turns batches of rows into lines and digests them."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = encoders
        self.digest = Digest()
        self._documents = [index for index, encoder in enumerate(encoders) if isinstance(encoder, JsonEncoder)]

    def encode(self, batch: Sequence[tuple[Any, ...]]) -> list[bytes]:
        """The lines of a batch, which are digested too; raises RefusedValue."""
        if not batch:
            return []
        if not self._documents:
            lines = encode(self.encoders, batch)
            self.digest.add(lines)
            return lines
        columns: list[Sequence[str]] = []
        digested: list[Sequence[str]] = []
        for encoder, values in zip(self.encoders, zip(*batch)):
            fields, canonical = encoder.documents(values) if isinstance(encoder, JsonEncoder) else (encoder.many(values),) * 2
            columns.append(fields)
            digested.append(canonical)
        self.digest.add([line[:-1] for line in _lines(digested)])
        return _lines(columns)

    def add(self, lines: Iterable[bytes]) -> None:
        """Digest lines, of either side."""
        self.digest.add(map(self._canonical, lines) if self._documents else lines)

    def _canonical(self, line: bytes) -> bytes:
        fields = line.decode().rstrip("\n").split("\t")
        for index in self._documents:
            fields[index] = self.encoders[index].canonical(fields[index])
        return "\t".join(fields).encode()
