# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process a run is, and whether it lives, with processes that do and do not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.plugin_utils import lease_controller
from ansible_collections.updraft.airflow.plugins.plugin_utils.lease_controller import Fate, controller_id, fate_of, pid_of, run_of


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that waits."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; print(flush=True); signal.pause()"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_run_lives_until_its_process_is_killed(process: subprocess.Popen[bytes]) -> None:
    run = run_of(process.pid)
    assert pid_of(run) == process.pid
    assert fate_of(run) is Fate.LIVES
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    assert fate_of(run) is Fate.LIVES
    process.kill()
    # It is not collected yet, and yet it is over.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert fate_of(run) is Fate.IS_OVER
    process.wait()
    assert fate_of(run) is Fate.IS_OVER


def test_another_process_with_the_same_number_is_not_the_run(process: subprocess.Popen[bytes]) -> None:
    head, _, started = run_of(process.pid).rpartition(":")
    assert fate_of(f"{head}:{int(started) - 1}") is Fate.IS_OVER
    # One that was gone when it was asked for is nobody.
    assert fate_of(f"{head}:") is Fate.IS_OVER


def test_a_start_of_the_machine_ends_every_run(process: subprocess.Popen[bytes]) -> None:
    _boot, rest = run_of(process.pid).split(":", 1)
    assert fate_of(f"0b0e1c2d-0000-4000-8000-000000000000:{rest}") is Fate.IS_OVER


def test_of_processes_that_cannot_be_seen_nothing_is_known(process: subprocess.Popen[bytes]) -> None:
    boot, _namespace, rest = run_of(process.pid).split(":", 2)
    assert fate_of(f"{boot}:1:{rest}") is Fate.UNKNOWN
    assert fate_of("by hand") is Fate.UNKNOWN


def test_without_proc_a_process_is_known_by_what_ps_says(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: path != "/proc/self/stat" and exists(path))
    run = run_of(process.pid)
    # With colons in it, and a year at its end.
    assert run.split(":", 3)[3].count(":") == 2
    assert fate_of(run) is Fate.LIVES
    process.kill()
    process.wait()
    assert fate_of(run) is Fate.IS_OVER


def test_a_controller_is_a_user_of_a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty, machine, other = (tmp_path / name for name in ("empty", "machine", "other"))
    empty.touch()
    machine.write_text("a" * 32 + "\n")
    other.write_text("b" * 32 + "\n")
    own = controller_id([str(empty), str(machine)])
    assert own == controller_id([str(machine)]) and len(own) == 32
    assert own != controller_id([str(other)])
    name = socket.gethostname()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: f"not-{name}")
        assert own != controller_id([str(machine)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 4242)
        assert own != controller_id([str(machine)])
    # Without an identity of the machine's own, the same name after a start may be another machine.
    before = controller_id([str(empty)])
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    monkeypatch.setattr(lease_controller, "BOOT_ID_FILE", str(boot))
    assert before != controller_id([str(empty)])
    assert own == controller_id([str(machine)])
