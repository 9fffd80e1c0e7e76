# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the digests of connections on the controller."""

from __future__ import annotations

from ansible_collections.updraft.airflow.plugins.plugin_utils._objects_action import ObjectsAction


class ActionModule(ObjectsAction):
    """Run the module with the digests of connections."""

    module = "airflow_connections"
    kind = "connections"
