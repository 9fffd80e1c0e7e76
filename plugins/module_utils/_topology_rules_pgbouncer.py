# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about PgBouncer between the daemons and the metadata database."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._topology_database import CLUSTER_ENGINE, ENGINE_TITLES, is_pooled
from ._topology_model import Draft, listed
from ._topology_pgbouncer import ARGUMENTS_MODULE, DRIVER_OPTIONS
from ._topology_stages import setting

VARIABLE = "airflow_metadata_db_pgbouncer"
CONSOLE = "pgbouncer"
ARGUMENTS = ("database", "sql_alchemy_connect_args_async")


def pgbouncer_is_postgresqls(draft: Draft) -> Iterator[str]:
    """It speaks PostgreSQL's protocol."""
    if draft.values[VARIABLE] and draft.engine != CLUSTER_ENGINE:
        engine = ENGINE_TITLES.get(draft.engine, draft.engine)
        yield f"{VARIABLE} is true and the metadata database is {engine}: PgBouncer is for PostgreSQL only; remove that variable."


def pgbouncer_takes_the_name(draft: Draft) -> Iterator[str]:
    """Its file of settings has no quotes for names, and whoever asks for its own gets the console."""
    if draft.database is None or not is_pooled(draft):
        return
    name = draft.database.name
    if name == CONSOLE:
        yield f"{VARIABLE} is true and the database's name is {name!r}, which PgBouncer keeps for its console: remove that variable."
    elif name and not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        yield f"{VARIABLE} is true and the database's name is {name!r}, which PgBouncer cannot read: remove that variable."


def pgbouncer_knows_the_address(draft: Draft) -> Iterator[str]:
    """What an address that was taken over demands of libpq, PgBouncer would leave out without a word."""
    database = draft.database
    if database is None or not is_pooled(draft) or database.managed:
        return
    place = f"{VARIABLE} is true and the address of the metadata database"
    unknown = sorted(set(database.options) - set(DRIVER_OPTIONS))
    if unknown:
        yield f"{place} has options that PgBouncer cannot pass on ({listed(unknown)}): remove them, or that variable."
    if "," in database.host:
        yield f"{place} names several hosts ({database.host}), of which PgBouncer would use all alike: name one, or remove that variable."
    if draft.adopted is not None and not database.password and not draft.values["airflow_metadata_db_password"]:
        yield f"{place} holds no password, and PgBouncer logs in by one: set airflow_metadata_db_password, or remove that variable."


def pgbouncer_prepares_nothing(draft: Draft) -> Iterator[str]:
    """A prepared statement is a session's, and the next transaction may be in another one."""
    if not is_pooled(draft) or draft.line < 3:
        return
    present, wanted = setting(draft.settings, *ARGUMENTS, ""), f"{ARGUMENTS_MODULE}.connect_args"
    if present != wanted:
        yield (
            f"{VARIABLE} is true and [{ARGUMENTS[0]}] {ARGUMENTS[1]} is {present!r}: the driver has to be told there that it prepares no "
            "statements; remove that option, or that variable."
        )


RULES = (pgbouncer_is_postgresqls, pgbouncer_takes_the_name, pgbouncer_knows_the_address, pgbouncer_prepares_nothing)
