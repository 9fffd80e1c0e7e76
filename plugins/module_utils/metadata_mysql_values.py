# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical lines as MySQL's literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import NULL, unescape

_NULL = NULL.encode()


def literals(lines: Sequence[bytes], kinds: Sequence[str]) -> list[tuple[bytes, ...]]:
    """The values of every line, as SQL."""
    columns = zip(*(line.rstrip(b"\n").split(b"\t") for line in lines))
    return list(zip(*(_column(fields, _LITERALS[kind]) for fields, kind in zip(columns, kinds))))


def _column(fields: Sequence[bytes], literal: Callable[[bytes], bytes]) -> list[bytes]:
    return [b"NULL" if field == _NULL else literal(field) for field in fields]


def _text(field: bytes) -> bytes:
    # A line writes special characters as MySQL does, but for these two.
    if b"\\f" in field or b"\\v" in field:
        field = unescape(field.decode()).encode().replace(b"\\", b"\\\\")
    return b"'" + field.replace(b"'", b"''") + b"'"


def _binary(field: bytes) -> bytes:
    # After two backslashes and an x.
    return b"_binary'" + bytes.fromhex(field[3:].decode()).replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"


def _float(field: bytes) -> bytes:
    """Without a power, MySQL reads a decimal number, which has no negative zero."""
    return field if b"e" in field else field + b"e0"


_LITERALS: dict[str, Callable[[bytes], bytes]] = {
    "boolean": lambda field: b"1" if field == b"t" else b"0",
    "integer": bytes,
    "numeric": bytes,
    "float": _float,
    "single": _float,
    "text": _text,
    "json": _text,
    "jsonb": _text,
    "timestamp": lambda field: b"'" + field + b"'",
    "timestamptz": lambda field: b"'" + field[:-3] + b"'",
    "uuid": lambda field: b"'" + field.replace(b"-", b"") + b"'",
    "bytes": _binary,
}
