# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON documents: one text for all spellings of one document, and what a server cannot hold of it.

Each server writes a document in its own way: with other blanks, with its keys in another order, 1e2 as 100 or as 100.0. So documents are
compared by what they mean; a number is its value, whatever digits it was written with.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import RefusedCharacter, RefusedValue

# PostgreSQL's numeric has this many digits before and after the point.
_MOST_DIGITS = 16_000
_LONGEST_INTEGER = 4000
_MYSQL_LEVELS = 100
_MYSQL_INTEGERS = range(-(1 << 63), 1 << 64)
_SHORT = 500

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN', re.DOTALL)
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE = re.compile(r"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")


def canonical_json(text: str, engine: str = "") -> str:
    """One text for all documents that are equal; refuses what is no JSON, and what the engine named cannot hold as a document."""
    # Short documents repeat themselves.
    return _canonical_short(text, engine) if len(text) < _SHORT else _canonical(text, engine)


def _canonical(text: str, engine: str) -> str:
    if engine == "PostgreSQL" and "\\u0000" in text and _NUL.search(text):
        raise RefusedCharacter("a JSON document with a NUL character, which PostgreSQL cannot hold")
    document = _decode(_DECODERS[engine], text)
    # Escaped surrogates come in pairs; the decoder makes one character of each pair, and leaves a half as it is.
    if engine and _SURROGATE.search(text) and _HALF.search(json.dumps(document, ensure_ascii=False)):
        raise RefusedCharacter(f"a JSON document with half of a surrogate pair, which {engine} cannot hold")
    if engine == "MySQL" and text.count("[") + text.count("{") > _MYSQL_LEVELS and _levels(document) > _MYSQL_LEVELS:
        raise RefusedValue(f"a JSON document nested more than {_MYSQL_LEVELS} levels deep, which MySQL cannot hold")
    return json.dumps(document, sort_keys=True)


_canonical_short = functools.lru_cache(maxsize=2048)(_canonical)


def check_json(text: str) -> None:
    """Refuse what is no JSON."""
    _decode(_PLAIN, text)


def with_replacements(text: str, engine: str) -> str:
    """The document with U+FFFD in place of escaped characters that the engine cannot hold in one."""
    if "\\u" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        escape = match.group()
        # Two halves are one character; a further backslash begins another escape.
        is_half = len(escape) == 6 and escape[2] in "dD" and escape[3] in "89abcdefABCDEF"
        return "\\ufffd" if is_half or (escape == "\\u0000" and engine == "PostgreSQL") else escape

    return _ESCAPE.sub(replace, text)


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

    return _TOKEN.sub(replace, text), found


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise RefusedValue("a JSON document nested too deeply") from None
    except RefusedValue:
        raise
    except ValueError as error:
        raise RefusedValue(f"text that is not JSON ({error})") from None


def _levels(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_levels, value), default=0)
    return 0


def _value(text: str) -> Any:
    """A number by its value; one that is not whole is wrapped, so that it cannot be mistaken for a string."""
    if len(text) < _LONGEST_INTEGER and text.lstrip("-").isdigit():
        return int(text)
    try:
        sign, digits, power = Decimal(text).as_tuple()
    except ArithmeticError:
        raise RefusedValue("a JSON number with too many digits") from None
    shown = "".join(map(str, digits)).rstrip("0")
    exponent = int(power) + len(digits) - len(shown)
    if not shown:
        return 0
    if 0 <= exponent < _LONGEST_INTEGER - len(shown):
        return int(f"{'-' if sign else ''}{shown}{'0' * exponent}")
    return {"\0": f"{'-' if sign else ''}{shown}e{exponent}"}


def _value_on_postgresql(text: str) -> Any:
    mantissa, _letter, power = text.lower().partition("e")
    if len(mantissa) > _MOST_DIGITS or (power and abs(int(power)) > _MOST_DIGITS):
        raise RefusedValue("a JSON number with too many digits for PostgreSQL")
    return _value(text)


def _value_on_mysql(text: str) -> Any:
    """MySQL keeps whole numbers of 64 bits, and floating ones of double precision for all others."""
    value = _value(text)
    if isinstance(value, int) and value in _MYSQL_INTEGERS:
        return value
    if _value(repr(_double(text))) != value:
        raise RefusedValue("a JSON number with more digits than MySQL keeps")
    return value


def _double(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise RefusedValue("a JSON number too large for MySQL")
    return number


def _constant(text: str) -> Any:
    raise RefusedValue(f"a JSON document with {text}, which is not JSON")


def _decoder(number: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=number, parse_int=number, parse_constant=_constant)


_PLAIN = json.JSONDecoder()
_DECODERS = {"": _decoder(_value), "PostgreSQL": _decoder(_value_on_postgresql), "MySQL": _decoder(_value_on_mysql)}
