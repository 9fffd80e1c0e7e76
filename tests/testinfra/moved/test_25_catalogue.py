# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new database is the one that Airflow makes by the same steps, and its next numbers are free."""

from __future__ import annotations

from airflow_checks import reference
from airflow_checks.fixtures import Installation


def test_the_catalogue_is_that_of_the_same_steps_on_an_empty_database(installation: Installation) -> None:
    url = installation.database_setting()
    versions = dict.fromkeys([installation.variables["test_source_version"], installation.variables["test_version"]])
    with reference.database(installation.host, url, "airflow", list(versions)) as expected:
        # Ends with an error that shows every difference.
        installation.on_host("airflow_checks.catalogue", *(place.replace("+psycopg2", "") for place in (expected, url)))
