# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a webserver_config.py of Airflow 2 imports that Airflow 3 does not have. The file is parsed, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

GONE = "airflow.www"
SUCCESSOR = "airflow.providers.fab.www"
KEPT_BY_SUCCESSOR = ("app", "auth", "extensions", "security_appless", "security_manager", "session", "utils", "views")
SUCCESSORS = {
    "security": "FabAirflowSecurityManagerOverride from airflow.providers.fab.auth_manager.security_manager.override",
    "fab_security": "AUTH_DB and its like from flask_appbuilder.const",
}


class _Imports(ast.NodeVisitor):
    """Names of imported modules with their lines, but for those that the file tries to import."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def visit_Try(self, node: ast.Try) -> None:
        """A file that tries has a way for both versions."""

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b`"""
        self.found += [(node.lineno, alias.name) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a.b import c`, where c may be a module too."""
        whole = node.module in ("airflow", GONE)
        self.found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names] if whole else [(node.lineno, str(node.module))]


def lost_imports(content: str) -> Iterator[tuple[int, str, str]]:
    """Line, module, and what to do instead."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return
    imports = _Imports()
    imports.visit(tree)
    for line, module in dict.fromkeys(imports.found):
        if module == GONE or module.startswith(GONE + "."):
            yield line, module, _advice(module[len(GONE) + 1 :])


def _advice(module: str) -> str:
    part = module.partition(".")[0]
    if part in SUCCESSORS:
        return f"import {SUCCESSORS[part]} instead"
    if not module or part in KEPT_BY_SUCCESSOR:
        return f"import {SUCCESSOR}{'.' if module else ''}{module} instead, in a try statement with the old one while 2.x reads the file"
    return "remove it, nothing takes its place"
