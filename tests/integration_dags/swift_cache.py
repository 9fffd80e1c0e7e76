# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache that Swift's proxy wants, in its own memory in place of memcached: there is one proxy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Cache(dict[str, Any]):
    """As much of a memcached client as the proxy uses."""

    def get(self, key: str, *_arguments: Any, **_keywords: Any) -> Any:
        """A value, None for none."""
        return super().get(key)

    def set(self, key: str, value: Any, **_keywords: Any) -> None:
        """Keep a value."""
        self[key] = value

    def delete(self, key: str, **_keywords: Any) -> None:
        """Forget a value."""
        self.pop(key, None)


def filter_factory(_settings: dict[str, str], **_local: str) -> Callable[..., Any]:
    """Paste's way to name a filter."""
    cache = Cache()

    def filtered(application: Callable[..., Any]) -> Callable[..., Any]:
        def call(environment: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            environment["swift.cache"] = cache
            return application(environment, start_response)

        return call

    return filtered
