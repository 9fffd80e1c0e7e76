# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a database, asked without a driver on a real server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_driverless import DriverlessTarget, look
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState
from ansible_collections.updraft.airflow.plugins.module_utils.postgresql_client import Client, ClientError, Login
from metadata_server import PASSWORD, USER, Made, Server


def login(server: Server, database: str, password: str = PASSWORD, mode: str = "prefer") -> Login:
    """Airflow's own."""
    return Login("127.0.0.1", server.port, database, USER, password, mode)


def by_socket(server: Server, database: str) -> Login:
    """The superuser's, as the host of the server has it."""
    return Login(server.query("SHOW unix_socket_directories")[0][0], server.port, database, "postgres")


def place(server: Server, database: str) -> str:
    """The database as a sentence begins with it."""
    return f"The database {database} on 127.0.0.1:{server.port}"


def findings(server: Server, database: str, **wanted: Any) -> list[str]:
    """What is said of it."""
    return look(login(server, database), **wanted)


def test_values_come_as_they_are(server: Server) -> None:
    client = Client(login(server, server.create()))
    try:
        assert client.rows("SELECT 1, true, false, NULL, 'ä''\\', 2::bigint, ''") == [(1, True, False, None, "ä'\\", 2, "")]
        assert client.rows("SELECT 1 WHERE false") == []
        with pytest.raises(ClientError, match="division by zero"):
            client.rows("SELECT 1/0")
        assert client.rows("SELECT count(*) FROM generate_series(1, 100000)") == [(100000,)]
        assert len(client.rows("SELECT repeat('x', 300) FROM generate_series(1, 2000)")) == 2000
    finally:
        client.close()


@pytest.mark.parametrize("method", ["scram-sha-256", "md5"])
def test_the_role_logs_in_by_every_kind_of_password(server: Server, method: str) -> None:
    password = "päss wörd %25"
    server.query(f"SET password_encryption = '{method}'; CREATE ROLE other LOGIN")
    try:
        server.query(f"SET password_encryption = '{method}'; ALTER ROLE other PASSWORD '{password}'")
        rules = server.query("SHOW hba_file")[0][0]
        with open(rules, encoding="utf-8") as handle:
            before = handle.read()
        with open(rules, "w", encoding="utf-8") as handle:
            handle.write(f"host all other 127.0.0.1/32 {method}\n{before}")
        server.query("SELECT pg_reload_conf()")
        Client(Login("127.0.0.1", server.port, "postgres", "other", password)).close()
        with pytest.raises(ClientError, match="password authentication failed"):
            Client(Login("127.0.0.1", server.port, "postgres", "other", "wrong"))
        with open(rules, "w", encoding="utf-8") as handle:
            handle.write(before)
        server.query("SELECT pg_reload_conf()")
    finally:
        server.query("DROP ROLE other")


def test_an_empty_database_and_a_fresh_schema_are_fine(server: Server, made: Made) -> None:
    for database in (server.create(), server.create(made.templates[2])):
        assert findings(server, database, must_be_empty=True, oldest=12) == []
        assert findings(server, database, is_first_use=True, oldest=12) == []


def test_a_wrong_password(server: Server) -> None:
    database = server.create()
    (finding,) = look(login(server, database, "wrong"))
    assert finding.startswith(f'{place(server, database)} cannot be used: password authentication failed for user "{USER}"; check airflow_')


def test_a_database_that_is_not_there(server: Server) -> None:
    assert findings(server, "nowhere") == [
        f'{place(server, "nowhere")} cannot be used: database "nowhere" does not exist; check airflow_metadata_db_name.'
    ]
    assert look(by_socket(server, "nowhere"), owner=USER, must_be_empty=True) == []


def test_a_server_without_tls(server: Server) -> None:
    (finding,) = look(login(server, server.create(), mode="verify-full"))
    assert "cannot be used: the server offers no TLS; check" in finding


def test_another_encoding(server: Server) -> None:
    server.query(f"CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' OWNER {USER}")
    assert findings(server, "ascii") == [
        f"The encoding of the database ascii on 127.0.0.1:{server.port} is not UTF8; create the database with ENCODING 'UTF8'."
    ]


def test_an_old_server(server: Server) -> None:
    (finding,) = findings(server, server.create(), oldest=99)
    assert finding.startswith(f"{place(server, f'db{server.number}')} is on PostgreSQL ")
    assert finding.endswith(", and Airflow needs 99 or newer: name a newer server.")


def test_another_owner(server: Server) -> None:
    database = server.create()
    server.query(f"ALTER DATABASE {database} OWNER TO postgres")
    told = look(by_socket(server, database), place=f"the database {database} on h1", owner=USER)
    assert told == [
        f"The database {database} on h1 belongs to postgres, and airflow_metadata_db_user is {USER}: choose another "
        f"airflow_metadata_db_name, or let it belong to {USER}."
    ]


def test_a_role_that_may_make_nothing(server: Server) -> None:
    database = server.create()
    server.query(f"ALTER DATABASE {database} OWNER TO postgres")
    server.query("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database)
    (finding,) = findings(server, database, must_be_empty=True)
    assert finding.startswith(f"{place(server, database)} lets the role make no tables: grant it CREATE on the schema public")
    assert findings(server, database) == []


def test_tables_of_somebody_else(server: Server) -> None:
    database = server.create()
    server.query("CREATE TABLE orders (id int)", database)
    server.query(f"GRANT SELECT ON orders TO {USER}", database)
    sentence = f"{place(server, database)} has tables that are not Airflow's (orders): name another one by airflow_metadata_db_name, or "
    for wanted in ({"must_be_empty": True}, {"is_first_use": True}):
        (finding,) = findings(server, database, **wanted)
        assert finding == sentence + "empty it yourself."
    assert findings(server, database) == []


@pytest.mark.parametrize("line", [2, 3])
def test_an_installation_is_no_place_to_move_to(line: int, server: Server, copied: dict[int, str]) -> None:
    database = server.create(copied[line])
    assert findings(server, database, must_be_empty=True) == []
    server.query("DROP SCHEMA airflow_kept CASCADE", database)
    (finding,) = findings(server, database, must_be_empty=True)
    assert "already holds another installation's data (rows in " in finding
    assert findings(server, database, is_first_use=True) == []


def test_both_drivers_see_one_state(server: Server, made: Made, copied: dict[int, str]) -> None:
    for database in (server.create(), made.templates[2], made.templates[3], made.migrated, copied[2], copied[3]):
        mine = DriverlessTarget(login(server, database), server.connection(database).place())
        try:
            with server.target(database) as target:
                states = [TargetState(each).as_dict() for each in (mine, target)]
            for state in states:
                # One driver knows points in time, the other one reads them as they are written.
                (state["move"] or {}).pop("changed_at", None)
            assert states[0] == states[1]
        finally:
            mine.close()
