# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a hand-made installation as its daemons read them: environment before airflow.cfg before the default."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping

VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")
Setting = tuple[str, str]


class Settings:
    """Options of airflow.cfg and of the daemons' environment."""

    def __init__(self, options: dict[str, dict[str, str]], environment: Mapping[str, str], user_home: str) -> None:
        self.options = options
        self.environment = environment
        self.user_home = user_home

    def get(self, *names: Setting, default: str = "") -> str:
        """The first of the names that is set; older names of an option follow its present one."""
        for section, option in names:
            value = self.environment.get(environment_name(section, option))
            if value is None:
                value = self.options.get(section, {}).get(option)
            if value is not None:
                return self.expand(value)
        return default

    def is_computed(self, *names: Setting) -> bool:
        """Whether the value comes from a command or a secrets backend, which cannot be read from a file."""
        for section, option in names:
            for suffix in ("_cmd", "_secret"):
                if self.options.get(section, {}).get(option + suffix):
                    return True
                if environment_name(section, option + suffix) in self.environment:
                    return True
        return False

    def expand(self, value: str) -> str:
        """Replace `~` and `$NAME` until nothing changes, as Airflow does with every value it reads."""
        variables = {"HOME": self.user_home, **self.environment}
        for _round in range(10):
            expanded = VARIABLE.sub(lambda match: variables.get(match.group(1).strip("{}"), match.group(0)), value)
            if expanded == "~" or expanded.startswith("~/"):
                expanded = self.user_home + expanded[1:]
            if expanded == value:
                break
            value = expanded
        return value


def environment_name(section: str, option: str) -> str:
    """The environment variable that overrides an option."""
    return f"AIRFLOW__{section.replace('.', '_').upper()}__{option.upper()}"


def read_options(path: str) -> dict[str, dict[str, str]]:
    """Every option that is set in an airflow.cfg. Raises configparser.Error, OSError or UnicodeDecodeError."""
    parser = configparser.ConfigParser()
    with open(path, encoding="utf-8") as handle:
        parser.read_file(handle)
    return {section: {option: _value(parser, section, option) for option in parser.options(section)} for section in parser.sections()}


def _value(parser: configparser.ConfigParser, section: str, option: str) -> str:
    """The value with %% made %; where that fails (Airflow cannot read the option either) it is given as it stands."""
    try:
        return parser.get(section, option)
    except configparser.InterpolationError:
        return parser.get(section, option, raw=True)


def absolute(path: str, home: str) -> str:
    """A folder of the settings as an absolute path; a relative one is below AIRFLOW_HOME."""
    return os.path.normpath(os.path.join(home, path))
