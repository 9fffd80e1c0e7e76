# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a Redis server or a sentinel, with the standard library alone: a host of the broker has no driver, and a password is no argument."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

ANSWER_SECONDS = 3.0


class RedisError(Exception):
    """The server refuses, or does not answer; the text holds no secret."""


class RedisClient:
    """A connection to one server."""

    def __init__(self, host: str, port: int, user: str, password: str, seconds: float = ANSWER_SECONDS) -> None:
        self.place = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), timeout=seconds)
        except OSError as error:
            raise RedisError(f"{self.place} does not answer ({error})") from None
        self._file = self._socket.makefile("rb")
        self.ask("AUTH", user, password)

    def __enter__(self) -> RedisClient:
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._file.close()
            self._socket.close()

    def ask(self, *words: str | int) -> Any:
        """The answer to a command. Raises RedisError."""
        texts = [str(word).encode() for word in words]
        message = b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)
        try:
            self._socket.sendall(message)
            return self._read()
        except (OSError, ValueError) as error:
            raise RedisError(f"{self.place} does not answer {words[0]} ({error})") from None

    def _read(self) -> Any:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ValueError("the connection was closed")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RedisError(f"{self.place} says: {rest}")
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._file.read(int(rest) + 2)[:-2].decode("utf-8", "replace")
        if kind == b"*":
            return None if rest == "-1" else [self._read() for _entry in range(int(rest))]
        return rest

    def fields(self, *words: str | int) -> dict[str, str]:
        """An answer of names and values in turns."""
        answer = self.ask(*words) or []
        return dict(zip(answer[::2], answer[1::2]))

    def rows(self, *words: str | int) -> list[dict[str, str]]:
        """A list of such answers."""
        return [dict(zip(row[::2], row[1::2])) for row in self.ask(*words) or []]

    def info(self, section: str) -> Mapping[str, str]:
        """What a server says of itself."""
        return dict(line.split(":", 1) for line in str(self.ask("INFO", section)).splitlines() if ":" in line)
