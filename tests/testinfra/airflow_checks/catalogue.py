# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL database consists of, content aside, and what differs between two of them, in words; also which sequences of the
second would give a number that a row has already.

python3 -m airflow_checks.catalogue "host=... dbname=reference" "host=... dbname=airflow"
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

KEPT_ASIDE = "airflow_kept"
# Schema, object and its definition; the schemas of the server itself and those left out do not count.
SCHEMAS = "n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg!_%%' ESCAPE '!' AND n.nspname <> ALL(%(without)s)"
QUESTIONS: Mapping[str, str] = {
    "relation": f"""
        SELECT n.nspname, c.relname, c.relkind::text || ' ' || c.relpersistence::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {SCHEMAS}""",
    "column": f"""
        SELECT n.nspname, c.relname || '.' || a.attname,
          format_type(a.atttypid, a.atttypmod)
          || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
          || COALESCE(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
          || CASE a.attidentity WHEN '' THEN '' ELSE ' IDENTITY ' || a.attidentity::text END
          || CASE a.attgenerated WHEN '' THEN '' ELSE ' GENERATED' END
          || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || l.collname ELSE '' END
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND {SCHEMAS}""",
    "constraint": f"""
        SELECT n.nspname, c.relname || ' ' || k.conname,
          pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' NOT VALIDATED' END
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {SCHEMAS}""",
    "index": f"""
        SELECT n.nspname, c.relname || ' ' || i.relname,
          pg_get_indexdef(x.indexrelid) || CASE WHEN x.indisvalid THEN '' ELSE ' INVALID' END
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {SCHEMAS}""",
    "sequence": f"""
        SELECT n.nspname, c.relname, format_type(s.seqtypid, NULL) || ' START ' || s.seqstart || ' INCREMENT ' || s.seqincrement
          || COALESCE(' OWNED BY ' || o.relname || '.' || a.attname, '')
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_depend p ON p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.deptype IN ('a', 'i') AND p.refobjsubid > 0
        LEFT JOIN pg_class o ON o.oid = p.refobjid LEFT JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = p.refobjsubid
        WHERE {SCHEMAS}""",
    "type": f"""
        SELECT n.nspname, t.typname, t.typtype::text || COALESCE(
          (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), '')
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd') AND {SCHEMAS}""",
    "function": f"""
        SELECT n.nspname, p.oid::regprocedure::text, md5(p.prosrc)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {SCHEMAS}""",
    "trigger": f"""
        SELECT n.nspname, c.relname || ' ' || g.tgname, pg_get_triggerdef(g.oid)
        FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT g.tgisinternal AND {SCHEMAS}""",
}
BEHIND = """
    SELECT s.schemaname || '.' || s.sequencename, COALESCE(s.last_value, 0), o.relname, a.attname
    FROM pg_sequences s JOIN pg_class c ON c.relname = s.sequencename AND c.relnamespace = s.schemaname::regnamespace
    JOIN pg_depend p ON p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.deptype IN ('a', 'i') AND p.refobjsubid > 0
    JOIN pg_class o ON o.oid = p.refobjid JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = p.refobjsubid
    WHERE s.schemaname = 'public'
"""
Catalogue = dict[str, str]


@contextmanager
def _cursor(place: str | Mapping[str, Any]) -> Iterator[Any]:
    import psycopg2  # a driver is only needed where a server is read

    connection = psycopg2.connect(place) if isinstance(place, str) else psycopg2.connect(**place)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def read(place: str | Mapping[str, Any], without: tuple[str, ...] = (KEPT_ASIDE,)) -> Catalogue:
    """Return every object and its definition; `place` is psycopg2's connection string or its arguments."""
    found: Catalogue = {}
    with _cursor(place) as cursor:
        for kind, question in QUESTIONS.items():
            cursor.execute(question, {"without": list(without)})
            found.update((f"{kind} {schema}.{name}", definition) for schema, name, definition in cursor)
    return found


def compare(expected: Catalogue, actual: Catalogue) -> list[str]:
    """Return every difference, one sentence each."""
    found = [f"Missing: {name} ({expected[name]})." for name in sorted(expected.keys() - actual.keys())]
    found += [f"Not expected: {name} ({actual[name]})." for name in sorted(actual.keys() - expected.keys())]
    for name in sorted(expected.keys() & actual.keys()):
        if expected[name] != actual[name]:
            found.append(f"Different: {name} is ({actual[name]}), expected ({expected[name]}).")
    return found


def sequences_behind(place: str | Mapping[str, Any]) -> list[str]:
    """Return the sequences whose next number would be one that a row has already."""
    found = []
    with _cursor(place) as cursor:
        cursor.execute(BEHIND)
        for sequence, last, table, column in cursor.fetchall():
            cursor.execute(f'SELECT COALESCE(MAX("{column}"), 0) FROM public."{table}"')
            highest = cursor.fetchone()[0]
            if last < highest:
                found.append(f"Sequence {sequence} is at {last}, but {table}.{column} reaches {highest}.")
    return found


if __name__ == "__main__":
    differences = compare(read(sys.argv[1]), read(sys.argv[2])) + sequences_behind(sys.argv[2])
    print(*differences, sep="\n")
    sys.exit(1 if differences else 0)
