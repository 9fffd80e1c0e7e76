# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One spelling for every value, whatever database it was read from.

Two values get the same token if and only if Airflow would see the same value: a boolean is 1 in SQLite and true in
PostgreSQL, a timestamp is text without a zone in the one and an instant in the other, a JSON document may be spaced and
ordered differently.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Context
from struct import pack, unpack
from typing import Any

NULL = "~"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
# Long enough for every number that jsonb may spell out, such as 1e300.
EXACT = Context(prec=20_000)


def boolean(value: Any) -> str:
    """Spell 0/1, true/false."""
    return "true" if value in (True, 1, "1", "t", "true") else "false" if value in (False, 0, "0", "f", "false") else text(value)


def integer(value: Any) -> str:
    """Spell a whole number; SQLite may hold something else in such a column, which is kept visible."""
    return str(int(value)) if isinstance(value, (int, bool)) else number(value) if isinstance(value, float) else text(value)


def number(value: Any) -> str:
    """Spell a floating point number with all its digits."""
    return repr(float(value)) if isinstance(value, (int, float)) else text(value)


def single(value: Any) -> str:
    """Spell a floating point number as four bytes hold it, which is what Airflow's columns have in MySQL."""
    return repr(unpack("f", pack("f", value))[0]) if isinstance(value, (int, float)) else text(value)


def text(value: Any) -> str:
    """Spell text as it is."""
    return value if isinstance(value, str) else f"{type(value).__name__} {value!r}"


def binary(value: Any) -> str:
    """Spell bytes in hexadecimal."""
    return value.encode("utf-8", "surrogateescape").hex() if isinstance(value, str) else bytes(value).hex()


def timestamp(value: Any) -> str:
    """Spell an instant in microseconds since 1970 in UTC; a value without a zone is UTC, as Airflow writes it."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    return str((value - EPOCH) // MICROSECOND)


def unique(value: Any) -> str:
    """Spell a UUID."""
    return uuid.UUID(str(value)).hex


def _json_number(digits: str) -> str:
    value = EXACT.create_decimal(digits)
    return "\0number 0" if not value else f"\0number {EXACT.normalize(value)}"


def _json_constant(name: str) -> str:
    return f"\0constant {name}"


def document(value: Any) -> str:
    """Spell a JSON document by what it says: numbers by value, keys in order."""
    if isinstance(value, (bytes, memoryview)):
        value = bytes(value).decode("utf-8", "surrogateescape")
    elif isinstance(value, (int, float)):
        # SQLite turns a bare number in a column declared JSON into a number of its own.
        value = json.dumps(value)
    try:
        parsed = json.loads(value, parse_float=_json_number, parse_int=_json_number, parse_constant=_json_constant)
    except ValueError:
        return f"not JSON: {value}"
    return json.dumps(parsed, sort_keys=True, separators=(",", ":"))


class _PlainUnpickler(pickle.Unpickler):
    """Reads pickled plain data; a class in it is an error."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse every class."""
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def filled_document(value: Any) -> str | None:
    """Spell a JSON document; one that says nothing is as good as none."""
    spelled = document(value)
    return None if spelled in ("{}", "null") else spelled


def pickled_document(value: Any) -> str | None:
    """Spell a pickle of plain data as the JSON document it becomes when Airflow 3 takes it over."""
    data = bytes(value)
    try:
        parsed = _PlainUnpickler(io.BytesIO(data)).load()
        return filled_document(json.dumps(without_lost(parsed, quoted_numbers=True)))
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError):
        return f"not plain data: {data.hex()}"


def without_lost(value: Any, quoted_numbers: bool = False) -> Any:
    """Return the data with what upstream's migration to Airflow 3 turns into something else on purpose.

    Zero characters go; infinite numbers and those that are none become null in XComs, text in the configuration of runs.
    """
    if isinstance(value, dict):
        return {without_lost(key, quoted_numbers): without_lost(item, quoted_numbers) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_lost(item, quoted_numbers) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value) if quoted_numbers else None
    return value.replace("\0", "") if isinstance(value, str) else value


def surviving_document(value: Any) -> str:
    """Spell an XCom of Airflow 2 as the JSON value that Airflow 3 keeps of it."""
    data = bytes(value)
    try:
        return document(json.dumps(without_lost(json.loads(data.decode("utf-8")))))
    except ValueError:
        return f"not JSON: {data.hex()}"


SPELLINGS: dict[str, Callable[[Any], str | None]] = {
    "boolean": boolean,
    "integer": integer,
    "number": number,
    "single number": single,
    "text": text,
    "binary": binary,
    "timestamp": timestamp,
    "uuid": unique,
    "json": document,
    "filled json": filled_document,
    "pickled json": pickled_document,
    "xcom json": surviving_document,
}


def spell(kind: str, value: Any) -> str:
    """Return the token of one value; NULL is no value of any kind, and JSON's null is one."""
    spelled = None if value is None else SPELLINGS[kind](value)
    return NULL if spelled is None else f"={spelled}"
