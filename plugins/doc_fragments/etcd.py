# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options by which etcd's own command logs in."""

    DOCUMENTATION = r"""
requirements:
  - etcdctl
options:
  authority:
    description: A file on the host with the certificate of the authority that signed those of the members.
    type: path
    required: true
  certificate:
    description: A file on the host with a certificate for clients.
    type: path
    required: true
  key:
    description: A file on the host with the key of O(certificate).
    type: path
    required: true
"""
