# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a webserver_config.py imports that Airflow 3 does not have, and how it lets users log in. The file is parsed, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

GONE = ("airflow.www", "airflow.auth", "airflow.api_connexion", "airflow.api.auth", "airflow.contrib")
SUCCESSORS = {
    "airflow.www.security": "FabAirflowSecurityManagerOverride from airflow.providers.fab.auth_manager.security_manager.override",
    "airflow.www.fab_security": "AUTH_DB and its like from flask_appbuilder.const",
}
AUTH_TYPES_ELSEWHERE = ("AUTH_LDAP", "AUTH_OAUTH", "AUTH_OID", "AUTH_REMOTE_USER", "AUTH_SAML")
TWO_WAYS = ", in a try statement with the old one while 2.x reads the file"


@dataclass(frozen=True)
class Moved:
    """A package of which some parts are elsewhere now."""

    old: str
    new: str
    parts: tuple[str, ...]
    while_2: str = ""
    """What else to do as long as 2.x, which does not have the new package, reads the file."""


MOVED = (
    Moved(
        "airflow.www",
        "airflow.providers.fab.www",
        ("app", "auth", "extensions", "security_appless", "security_manager", "session", "utils", "views"),
        TWO_WAYS,
    ),
    Moved("airflow.auth.managers.fab", "airflow.providers.fab.auth_manager", ("api", "fab_auth_manager", "security_manager")),
    Moved("airflow.auth.managers", "airflow.api_fastapi.auth.managers", ("base_auth_manager", "models"), TWO_WAYS),
    Moved(
        "airflow.api.auth.backend",
        "airflow.providers.fab.auth_manager.api.auth.backend",
        ("basic_auth", "kerberos_auth", "session"),
    ),
)
PACKAGES = ("airflow", "airflow.api", *GONE, *(moved.old for moved in MOVED))
"""What is imported from these may be a module."""


class _Imports(ast.NodeVisitor):
    """Names of imported modules with their lines, but for those that the file imports on a condition."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def visit_Try(self, node: ast.Try) -> None:
        """A file that tries has a way for both versions."""

    def visit_If(self, node: ast.If) -> None:
        """So has one that looks at the version first."""

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b`"""
        self.found += [(node.lineno, alias.name) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a.b import c`, where c may be a module too."""
        names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module in PACKAGES else [str(node.module)]
        self.found += [(node.lineno, name) for name in names]


def lost_imports(content: str) -> Iterator[tuple[int, str, str]]:
    """Line, module, and what to do instead."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return
    imports = _Imports()
    imports.visit(tree)
    for line, module in dict.fromkeys(imports.found):
        if any(_is_in(module, gone) for gone in GONE):
            yield line, module, _advice(module)


def other_auth_type(content: str) -> str:
    """The value of AUTH_TYPE where it is one of Flask-AppBuilder's that looks users up elsewhere than in its own tables, else nothing."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return ""
    assigned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and "AUTH_TYPE" in _targets(node)]
    names = [value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else "" for value in assigned[-1:]]
    return next((name for name in names if name in AUTH_TYPES_ELSEWHERE), "")


def _targets(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _advice(module: str) -> str:
    for old, successor in SUCCESSORS.items():
        if _is_in(module, old):
            return f"import {successor} instead"
    for moved in MOVED:
        rest = module[len(moved.old) + 1 :]
        if _is_in(module, moved.old) and (not rest or rest.partition(".")[0] in moved.parts):
            return f"import {moved.new}{module[len(moved.old) :]} instead{moved.while_2}"
    return "remove it, nothing takes its place"
