# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the status that an address answers with: http_status.py URL [USER:PASSWORD]"""

from __future__ import annotations

import base64
import sys
import urllib.error
import urllib.request

url, login = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
request = urllib.request.Request(url)
if login:
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
try:
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code)
