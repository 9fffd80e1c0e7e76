# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dictionary as a file that both systemd and a POSIX shell read alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# The characters that keep a meaning inside double quotes, for sh and for systemd's EnvironmentFile= alike.
SPECIAL = re.compile(r'([\\"$`])')


def environment_file(variables: Mapping[str, Any]) -> str:
    """One `NAME="value"` a line, sorted by name. Raises AnsibleFilterError for what no environment can hold."""
    lines = []
    for name, value in sorted(variables.items()):
        text = str(value)
        if not NAME.match(name):
            raise AnsibleFilterError(f"{name!r} is not a name of an environment variable: use letters, digits and underscores.")
        if "\0" in text:
            raise AnsibleFilterError(f"The value of {name} holds a null character, which no environment variable can hold.")
        lines.append('{}="{}"\n'.format(name, SPECIAL.sub(r"\\\1", text)))
    return "".join(lines)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"environment_file": environment_file}
