# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns raw column values into canonical lines, and digests lines.

The canonical line of a row is the text PostgreSQL itself writes for it with COPY TO (session time zone UTC). The
source's values are brought into that form by the type of the target's column, so that one text serves three purposes:
it is loaded, it is digested on its way, and what the server writes afterwards must have the same digest.
Only jsonb is written differently by the server than it was sent; for it both sides digest a canonical document.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import ColumnType, RefusedValue

NULL = "\\N"
# Longer values do not fit into one message of the server, whose limit is 1 GB; binary data is sent as two digits a byte.
MAX_BYTES = 250_000_000

_ESCAPES = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_UNESCAPES = {value[1]: key for key, value in _ESCAPES.items()}
_ESCAPABLE = re.compile(r"[\\\b\f\n\r\t\v]")
_ESCAPED = re.compile(r"\\(.)")
_HEX32 = re.compile(r"[0-9a-f]{32}")
_DAY_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?:\.\d{6})?)?", re.ASCII)
_MOMENTS = re.compile(r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}(?:\n|$))+", re.ASCII)
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', re.DOTALL)
_JSON_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")


def has_surrogate(value: Any) -> bool:
    """Whether a value is text with a half of a surrogate pair, as bytes that are not UTF-8 are read leniently."""
    return isinstance(value, str) and not value.isascii() and _SURROGATE.search(value) is not None


def escape(text: str) -> str:
    """The text as a field of a line."""
    if "\0" in text:
        raise RefusedValue("text with a NUL character, which PostgreSQL cannot hold")
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
    return _ESCAPED.sub(lambda match: _UNESCAPES.get(match.group(1), match.group(1)), field)


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


def _number(text: str) -> Any:
    """A number of a JSON document with a fraction, wrapped so that it cannot be mistaken for a string."""
    mantissa, _letter, power = text.lower().partition("e")
    if len(mantissa) > 16_000 or (power and abs(int(power)) > 16_000):
        raise RefusedValue("a JSON number with too many digits for PostgreSQL")
    number = format(Decimal(text), "f")
    if "." not in number and len(number) < 4000:
        return int(number)
    return {"\0": number.lstrip("-") if not number.strip("-0.") else number}


def _constant(text: str) -> Any:
    raise RefusedValue(f"a JSON document with {text}, which is not JSON")


_STRICT = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_constant)
_PLAIN = json.JSONDecoder()


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise RefusedValue("a JSON document nested too deeply") from None
    except RefusedValue:
        raise
    except ValueError as error:
        raise RefusedValue(f"text that is not JSON ({error})") from None


def canonical_json(text: str) -> str:
    """One text for all spellings of a document that are equal as jsonb; refuses what jsonb cannot hold."""
    # Short documents repeat themselves, and every one is needed twice: when it is sent and when it is digested.
    return _canonical_short(text) if len(text) < 500 else _canonical_json(text)


def _canonical_json(text: str) -> str:
    if "\\u0000" in text and _JSON_NUL.search(text):
        raise RefusedValue("a JSON document with a NUL character, which PostgreSQL cannot hold")
    canonical = json.dumps(_decode(_STRICT, text), sort_keys=True, ensure_ascii=False)
    if _SURROGATE.search(canonical):
        raise RefusedValue("a JSON document with half of a surrogate pair, which PostgreSQL cannot hold")
    return canonical


_canonical_short = functools.lru_cache(maxsize=4096)(_canonical_json)


def without_constants(text: str) -> tuple[str, bool]:
    """The document with NaN and Infinity written as null, and whether there were any."""
    if "NaN" not in text and "Infinity" not in text:
        return text, False
    found = False

    def replace(match: re.Match[str]) -> str:
        nonlocal found
        token = match.group()
        if token.startswith('"'):
            return token
        found = True
        return "null"

    return _JSON_TOKEN.sub(replace, text), found


class Encoder:
    """Turns the values of one column into fields of canonical lines."""

    def __init__(self, column: ColumnType) -> None:
        self.column = column
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
        """See Encoder."""
        if set(map(type, values)) != {int} or min(values) < -self.limit or max(values) >= self.limit:
            return super().many(values)
        return list(map(str, values))


class FloatEncoder(Encoder):
    """Double precision numbers."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if type(value) not in (int, float):
            raise RefusedValue(f"{_shown(value)} in a column of numbers")
        return format_float(float(value))


class NumericEncoder(Encoder):
    """Decimal numbers; SQLite has none, so they come as whole or floating ones."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if type(value) not in (int, float) or not math.isfinite(value):
            raise RefusedValue(f"{_shown(value)} in a column of decimal numbers")
        return format(Decimal(repr(value)), "f")


class TextEncoder(Encoder):
    """Text, with the length the column allows, in characters."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if not isinstance(value, str):
            raise RefusedValue(f"{_shown(value)} in a column of text")
        if self.column.length is not None and len(value) > self.column.length:
            raise RefusedValue(f"text of {len(value)} characters where {self.column.length} are allowed")
        if len(value) > MAX_BYTES:
            raise RefusedValue(f"text of {len(value)} characters, too long for PostgreSQL")
        return escape(value)

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder; special characters are escaped in all values at once."""
        present = [value for value in values if value is not None]
        if not present:
            return [NULL] * len(values)
        try:
            together = "\0".join(present)
        except TypeError:
            return super().many(values)
        longest = self.column.length if self.column.length is not None else MAX_BYTES
        if together.count("\0") >= len(present) or max(map(len, present)) > longest:
            return super().many(values)
        if _ESCAPABLE.search(together):
            present = escape_all(together).split("\0")
        if len(present) == len(values):
            return present
        fields = iter(present)
        return [NULL if value is None else next(fields) for value in values]


class TimestampEncoder(Encoder):
    """Points in time, which Airflow stores in SQLite as text in UTC."""

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
            moment = datetime.fromisoformat(text).isoformat(" ")
        except ValueError:
            raise RefusedValue(f"{_shown(value)} in a column of timestamps") from None
        return (moment.rstrip("0") if len(moment) > 19 else moment) + self.zone

    def many(self, values: Sequence[Any]) -> Sequence[str]:
        """See Encoder; the form SQLAlchemy writes is checked in all values at once."""
        present = [value for value in values if value is not None]
        try:
            if _MOMENTS.fullmatch("\n".join(present)) is None:
                return super().many(values)
            for value in present:
                datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return super().many(values)
        zone = self.zone
        return [NULL if value is None else (value[:19] if value.endswith(".000000") else value.rstrip("0")) + zone for value in values]


class UuidEncoder(Encoder):
    """Identifiers of 32 hexadecimal digits, with or without dashes."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        digits = value.replace("-", "").lower() if isinstance(value, str) else ""
        if _HEX32.fullmatch(digits) is None:
            raise RefusedValue(f"{_shown(value)} in a column of UUIDs")
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class BytesEncoder(Encoder):
    """Binary data, byte for byte."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        if not isinstance(value, bytes):
            raise RefusedValue(f"{_shown(value)} in a column of binary data")
        if len(value) > MAX_BYTES:
            raise RefusedValue(f"binary data of {len(value)} bytes, too long for PostgreSQL")
        return "\\\\x" + value.hex()


class JsonEncoder(Encoder):
    """JSON documents, whose text PostgreSQL keeps as it is; NaN and Infinity become null and are counted."""

    def text(self, value: Any) -> str:
        """The document's text; SQLite turns a document that is just a number into a number."""
        if type(value) in (int, float):
            value = str(value)
        if not isinstance(value, str):
            raise RefusedValue(f"{_shown(value)} in a column of JSON documents")
        if len(value) > MAX_BYTES:
            raise RefusedValue(f"a JSON document of {len(value)} characters, too long for PostgreSQL")
        text, found = without_constants(value)
        self.replaced += found
        return text

    def one(self, value: Any) -> str:
        """See Encoder."""
        text = self.text(value)
        _decode(_PLAIN, text)
        return escape(text)


class JsonbEncoder(JsonEncoder):
    """JSON documents that PostgreSQL stores taken apart."""

    def one(self, value: Any) -> str:
        """See Encoder."""
        text = self.text(value)
        canonical_json(text)
        return escape(text)

    def canonical(self, field: str) -> str:
        """See Encoder."""
        return field if field == NULL else canonical_json(unescape(field))


_ENCODERS: dict[str, type[Encoder]] = {
    "boolean": BooleanEncoder,
    "integer": IntegerEncoder,
    "float": FloatEncoder,
    "numeric": NumericEncoder,
    "text": TextEncoder,
    "timestamp": TimestampEncoder,
    "timestamptz": TimestampEncoder,
    "uuid": UuidEncoder,
    "bytes": BytesEncoder,
    "json": JsonEncoder,
    "jsonb": JsonbEncoder,
}


def encoder_of(column: ColumnType) -> Encoder:
    """The encoder for a column of the target."""
    return _ENCODERS[column.kind](column)


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


class Lines:
    """Turns batches of rows into lines and digests them."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = encoders
        self.digest = Digest()
        self._documents = [index for index, encoder in enumerate(encoders) if isinstance(encoder, JsonbEncoder)]

    def encode(self, batch: Sequence[tuple[Any, ...]]) -> list[bytes]:
        """The lines of a batch; raises RefusedValue."""
        columns = [encoder.many(values) for encoder, values in zip(self.encoders, zip(*batch))]
        lines = [("\t".join(fields) + "\n").encode() for fields in zip(*columns)]
        self.add(lines)
        return lines

    def add(self, lines: Iterable[bytes]) -> None:
        """Digest lines, of either side."""
        self.digest.add(map(self._canonical, lines) if self._documents else lines)

    def _canonical(self, line: bytes) -> bytes:
        fields = line.decode().rstrip("\n").split("\t")
        for index in self._documents:
            fields[index] = self.encoders[index].canonical(fields[index])
        return "\t".join(fields).encode()
