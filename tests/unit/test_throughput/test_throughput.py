# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of throughput makes of what it sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from throughput import usage
from throughput.tables import LABELS, ratios, spread, table
from throughput.workloads import Workload, not_once, workloads, write_dags


def process(proc: Path, pid: int, session: int, times: str, pss_kb: int, name: str = "airflow") -> None:
    """A process as the kernel describes it."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} ({name}) S 1 {pid} {session} 0 -1 4194304 1 2 3 4 {times} 20 0 1 0\n")
    (folder / "smaps_rollup").write_text(f"00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss: 9999 kB\nPss: {pss_kb} kB\nPss_Dirty: 7 kB\n")


def test_a_daemons_session_is_counted_with_the_children_it_waited_for(tmp_path: Path) -> None:
    process(tmp_path, 10, 10, "100 50 30 20", 2048)
    process(tmp_path, 11, 10, "40 10 0 0", 1024, name="airflow ) S 1")
    process(tmp_path, 12, 12, "9000 9000 0 0", 999999)
    assert usage.cpu_seconds([10], tmp_path) == pytest.approx(250 / usage.TICKS)
    assert usage.memory_mb([10], tmp_path) == pytest.approx(3.0)


def test_the_ideal_is_a_number_of_waves() -> None:
    assert Workload("sleeping", 48, 10).ideal_seconds(32) == 20
    assert Workload("sleeping", 48, 10).ideal_seconds(10) == 50


def test_a_task_that_ran_twice_or_not_at_all_is_told() -> None:
    load = Workload("short", 4)
    text = "short round1 t0\nshort round1 t1\nshort round1 t1\nshort round2 t2\nshort round1 t3\n"
    assert not_once(text, load, "round1") == ["t1", "t2"]
    assert not_once(text + "short round1 t2\n", Workload("short", 1), "round1") == []


def test_the_dags_are_python(tmp_path: Path) -> None:
    write_dags(tmp_path / "dags", tmp_path / 'li"nes', workloads(100, 40, 48, 10))
    text = (tmp_path / "dags" / "throughput.py").read_text()
    compile(text, "throughput.py", "exec")
    assert '"chain": {"tasks": 40, "seconds": 0, "in_turn": true}' in text


def test_a_ratio_is_taken_within_a_round() -> None:
    default, auto = [{"chain_seconds": 40.0}, {"chain_seconds": 80.0}], [{"chain_seconds": 20.0}, {"chain_seconds": 20.0}]
    assert ratios(default, auto, "chain_seconds") == [0.5, 0.25]
    assert ratios([{"idle_cpu": 0.0}], [{"idle_cpu": 0.1}], "idle_cpu") == []
    assert spread([0.5, 0.25, 0.3], "{:.2f}") == "0.30 (0.25 to 0.50)"
    assert spread([], "{:.2f}") == "-"


def test_the_table_has_a_line_for_each_figure() -> None:
    default, auto = [dict.fromkeys(LABELS, 4.0)], [dict.fromkeys(LABELS, 2.0)]
    lines = table(default, auto, {"tasks": 100, "chain": 40, "sleeping": 48, "seconds": 10}, (32, 10))
    assert lines[0] == "| | default, 32 slots | auto, 10 slots | auto of default |"
    assert "| chain of 40, s | 4.0 | 2.0 | 0.50 |" in lines
    assert len(lines) == 2 + len(LABELS)
