# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs as another user with a closed environment."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Callable


def demote(user: str) -> Callable[[], None]:
    """A function for `preexec_fn` that gives up root for the user and its groups."""
    entry = pwd.getpwnam(user)

    def become() -> None:
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)

    return become


def run_as(
    user: str | None, command: Sequence[str], environment: Mapping[str, str], cwd: str = "/", timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user with only the given environment; secrets travel in it, never in the arguments.

    Raises subprocess.TimeoutExpired after `timeout` seconds.
    """
    return subprocess.run(
        list(command),
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        preexec_fn=demote(user) if user and os.geteuid() == 0 else None,
    )


class CommandError(Exception):
    """A command of Airflow failed; the text is for the user."""


def run_airflow(venv: str, user: str, arguments: Sequence[str], environment: Mapping[str, Any], timeout: float) -> None:
    """Run `airflow` of a virtual environment with only the given environment. Raises CommandError."""
    folder = os.path.join(venv, "bin")
    given = {"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": pwd.getpwnam(user).pw_dir}
    given.update({name: str(value) for name, value in environment.items()})
    words = " ".join(["airflow", *arguments])
    try:
        done = run_as(user, [os.path.join(folder, "airflow"), *arguments], given, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise CommandError(f"{words} did not end within {timeout} seconds.") from None
    if done.returncode != 0:
        raise CommandError(f"{words} failed: {last_lines(done.stderr or done.stdout)}")


def last_lines(text: str, count: int = 15) -> str:
    """The end of a program's output, for an error message."""
    return "\n".join(line for line in text.strip().splitlines()[-count:])
