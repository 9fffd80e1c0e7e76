# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a broker."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._broker_check import BrokerError, judge_redis, without_secret

SOUND = {"redis_mode": "standalone", "role": "master", "maxmemory": 0, "maxmemory_policy": "noeviction", "aof_enabled": 1}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"maxmemory_policy": "allkeys-lru"}, []),
        ({"maxmemory": 1000, "maxmemory_policy": "allkeys-lru"}, ["allkeys-lru"]),
        ({"aof_enabled": 0}, ["appendonly"]),
    ],
)
def test_a_redis_that_may_lose_tasks(changed: dict[str, Any], words: list[str]) -> None:
    told = judge_redis({**SOUND, **changed}, "queues:6379")
    assert len(told) == len(words)
    assert all(word in sentence for word, sentence in zip(words, told))


@pytest.mark.parametrize("changed", [{"redis_mode": "cluster"}, {"role": "slave"}, {"role": "replica"}])
def test_a_redis_that_celery_cannot_use(changed: dict[str, Any]) -> None:
    with pytest.raises(BrokerError, match="queues:6379"):
        judge_redis({**SOUND, **changed}, "queues:6379")


@pytest.mark.parametrize(
    ("text", "secret", "told"),
    [
        ("ACCESS_REFUSED\n  for sesame.", "sesame", "ACCESS_REFUSED for ***"),
        ("", None, "no answer"),
        ("timed out", "", "timed out"),
    ],
)
def test_a_message_is_one_line_without_the_password(text: str, secret: str | None, told: str) -> None:
    assert without_secret(text, secret) == told
