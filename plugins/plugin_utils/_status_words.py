# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, times and names as a status shows them."""

from __future__ import annotations

TITLES = {
    "webserver": "webserver",
    "scheduler": "scheduler",
    "dag_processor": "DAG processor",
    "triggerer": "triggerer",
    "worker": "worker",
    "flower": "Flower",
    "metadata_db": "database",
    "broker": "broker",
    "load_balancer": "load balancer",
    "monitoring": "monitoring",
    "proxy": "way to the database",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "sqlite": "SQLite",
    "redis": "Redis",
    "rabbitmq": "RabbitMQ",
    "patroni": "Patroni",
    "haproxy": "HAProxy",
    "way to the database": "the way to the database",
    "pool of connections": "the pool of connections",
    "probe of the webservers": "the probe of the webservers",
}
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
SIZES = ("B", "kB", "MB", "GB", "TB")


def span(seconds: float | None) -> str:
    """How long something lasts, in its two largest units."""
    if seconds is None:
        return ""
    left = max(0, int(seconds))
    words: list[str] = []
    for length, word in UNITS:
        if left >= length or (word == "s" and not words):
            words.append(f"{left // length} {word}")
            left %= length
        elif words:
            break
    return " ".join(words[:2])


def size(number: float | None) -> str:
    """A number of bytes."""
    if number is None:
        return ""
    value, word = float(number), SIZES[0]
    for word in SIZES:
        if value < 1024 or word == SIZES[-1]:
            break
        value /= 1024
    return f"{value:.1f} {word}" if value < 10 and word not in SIZES[:2] else f"{value:.0f} {word}"
