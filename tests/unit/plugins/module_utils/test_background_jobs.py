# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases in the background, with real processes and folders as Ansible makes them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import background_jobs
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError

MODULE = "AnsiballZ_airflow_metadata_copy.py"
OLD = 1_000_000_000
# Ends by itself, as the module does, or only when it is killed; it is told to be ready when its signals are set.
CODE = """
import signal, sys
# What is started in the background of a script ignores it from the start.
signal.signal(signal.SIGINT, signal.SIG_IGN if "stubborn" in sys.argv else signal.SIG_DFL)
print("ready", flush=True)
signal.pause()
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts a process that Ansible told a folder for its result."""
    started = []

    def run(folder: Path, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments],
            env={**os.environ, "ANSIBLE_ASYNC_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A phase's folder, which nobody looks at any more."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(background_jobs, "INTERRUPT_SECONDS", 0.5)
    monkeypatch.setattr(background_jobs, "WRAPPER_SECONDS", 0.5)
    monkeypatch.setattr(background_jobs, "UNWATCHED_SECONDS", 2.0)
    made = tmp_path / "updraft-copy.a1b2c3d4"
    made.mkdir()
    watched = made / background_jobs.WATCHED
    watched.touch()
    os.utime(watched, (OLD, OLD))
    return made


def test_what_nobody_waits_for_is_ended_and_its_folder_removed(folder: Path, start: Start) -> None:
    module, stubborn = start(folder, MODULE), start(folder, MODULE, "stubborn")
    wrapper = start(folder, "async_wrapper.py", MODULE)
    background_jobs.end_orphans()
    assert (module.wait(), stubborn.wait(), wrapper.wait()) == (-2, -9, -9)
    assert not folder.exists()


def test_other_processes_go_on(folder: Path, start: Start) -> None:
    others = [start(folder, "AnsiballZ_other.py"), start(folder.with_name("updraft-copy.b"), MODULE)]
    assert background_jobs.end_job(str(folder))
    assert [process.poll() for process in others] == [None, None]


def test_ansibles_wrapper_has_time_to_remove_the_modules_folder(folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_jobs, "WRAPPER_SECONDS", 30.0)
    wrapper = start(folder, "async_wrapper.py", MODULE)
    timer = threading.Timer(0.3, wrapper.terminate)
    timer.start()
    assert background_jobs.end_job(str(folder))
    timer.join()
    assert wrapper.wait() == -15


def test_what_somebody_waits_for_is_left_alone(folder: Path, start: Start) -> None:
    module, ends = start(folder, MODULE), threading.Event()

    def watch() -> None:
        while not ends.wait(0.1):
            background_jobs.note_watching(str(folder))

    background_jobs.note_watching(str(folder))
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        background_jobs.end_orphans()
    finally:
        ends.set()
        watching.join()
    assert module.poll() is None
    assert folder.exists()


def test_who_waited_until_just_now_is_given_time(folder: Path, start: Start) -> None:
    module = start(folder, MODULE)
    background_jobs.note_watching(str(folder))
    begin = time.monotonic()
    background_jobs.end_orphans()
    assert module.wait() == -2
    assert time.monotonic() - begin >= 1.5
    assert not folder.exists()


def test_the_own_folder_and_what_is_no_folder_stay(folder: Path, start: Start, tmp_path: Path) -> None:
    link = tmp_path / "updraft-copy.link"
    link.symlink_to(tmp_path)
    module = start(folder, MODULE)
    background_jobs.end_orphans(f"{tmp_path}//{folder.name}")
    assert module.poll() is None
    assert folder.exists() and link.is_symlink()


def test_the_folder_of_another_user_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    background_jobs.end_orphans()
    assert folder.exists()


def test_what_does_not_end_is_named(folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_jobs, "KILL_SECONDS", 0.2)
    module = start(folder, MODULE)
    with monkeypatch.context() as patch, pytest.raises(MoveError, match=f"end the processes {module.pid} yourself"):
        patch.setattr(os, "kill", lambda pid, number: None)
        background_jobs.end_orphans()
    assert folder.exists()


def test_a_module_removes_its_own_file_and_no_other(tmp_path: Path) -> None:
    namespace = tmp_path / "ansible_collections/updraft"
    namespace.mkdir(parents=True)
    (namespace / "airflow").symlink_to(Path(__file__).resolve().parents[4])
    code = f"""
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[{str(tmp_path)!r}])._install()
from ansible_collections.updraft.airflow.plugins.module_utils.background_jobs import remove_own_file
remove_own_file()
print("went on")
"""
    own, other = tmp_path / MODULE, tmp_path / "other.py"
    for path in (own, other):
        path.write_text(code)
    for path in (own, other):
        done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
        assert done.stdout == "went on\n", done.stderr
    assert (own.exists(), other.exists()) == (False, True)
