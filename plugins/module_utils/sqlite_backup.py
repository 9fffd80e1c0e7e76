# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A consistent copy of an SQLite database, made while others may write to it."""

from __future__ import annotations

import os
import sqlite3
import urllib.parse
from contextlib import suppress


def back_up(src: str, dest: str) -> None:
    """Copy and check. Raises sqlite3.Error."""
    source = sqlite3.connect(f"file:{urllib.parse.quote(src)}?mode=ro", uri=True, timeout=30)
    copy = sqlite3.connect(dest)
    try:
        source.backup(copy)
        # The copy is a file for keeping: without this it would need a log beside it when the source had one.
        copy.execute("PRAGMA journal_mode = DELETE")
        verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    finally:
        copy.close()
        source.close()


def replace(src: str, dest: str) -> None:
    """Copy beside the destination, and put it there when it is whole. Raises sqlite3.Error and OSError."""
    unfinished = dest + ".unfinished"
    with suppress(FileNotFoundError):
        os.unlink(unfinished)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        back_up(src, unfinished)
        os.replace(unfinished, dest)
    except BaseException:
        os.unlink(unfinished)
        raise


def copy_failure(src: str, dest: str, error: Exception) -> str:
    """Why a copy failed, in one sentence."""
    if isinstance(error, OSError):
        return f"{src} cannot be copied to {dest}: {error.strerror}."
    return f"{src} cannot be copied: SQLite says {error!s}. Check it with: sqlite3 {src!r} 'PRAGMA integrity_check'"
