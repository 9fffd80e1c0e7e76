# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for users, connections, variables and pools have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._api_client import ARGUMENTS, DENIED, ONE_OF, TOGETHER, ApiClient, server_of
from ._api_http import ApiError, Refused
from ._failure import unforeseen
from ._objects import Item, Kind, Record, find_problems, read_items
from ._objects_fields import Wrong
from ._objects_plan import UPDATE_SECRETS, Change, Digests, Plan, make_diff, make_plan
from ._objects_uri import parse_uri
from ._objects_users import Users, unknown_roles
from ._objects_write import WriteError, write

SECRET_ARGUMENTS: dict[str, dict[str, Any]] = {
    "update_secrets": {"type": "str", "choices": list(UPDATE_SECRETS), "default": "on_change", "no_log": False},
    "digests_file": {"type": "path"},
    "digest_key": {"type": "str", "no_log": True},
    "digests": {"type": "dict", "no_log": False},
}
OWN_SECRETS = ("password", "token", "digest_key")
NOT_SHOWN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
VERBS = {"create": "created", "update": "updated", "remove": "removed"}


class Refusal(Exception):
    """Why nothing was done."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


class LoginRefused(Exception):
    """The user is not let in, and whoever called knows what to do."""


class ObjectsModule:
    """One call of a module that writes objects of a kind."""

    client: ApiClient

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        secret = {"no_log": bool(kind.secrets)}
        self.module = AnsibleModule(
            argument_spec={
                **ARGUMENTS,
                kind.list_name: {"type": "list", "elements": "dict", "required": True, **secret},
                "refusal_is_a_result": {"type": "bool", "default": False},
                **(SECRET_ARGUMENTS if kind.secrets else {}),
            },
            required_together=TOGETHER,
            required_one_of=ONE_OF,
            mutually_exclusive=ONE_OF,
            supports_check_mode=True,
        )
        # Ansible would blot out every number and word of every item wherever it occurs, names and digests too. Nothing secret gets into
        # a result but by the words of the server, and the client sees to those.
        self.module.no_log_values.clear()
        self.parameters: Mapping[str, Any] = self.module.params
        self.digests = Digests(kind, self.parameters.get("digest_key"), self.parameters.get("digests"))

    def run(self) -> None:
        """Do it, and end the module."""
        try:
            result = self._result()
        except Refusal as refusal:
            result = {"failed": True, "msg": str(refusal), "findings": refusal.findings}
        except LoginRefused:
            result = {"changed": False, "login_refused": True}
        except ApiError as error:
            result = {"failed": True, "msg": f"The {self.kind.list_name} were not looked at or changed. {error}"}
        except Exception as error:
            result = {"failed": True, "msg": f"The {self.kind.list_name} could not be brought about: {unforeseen(error)}."}
        finally:
            if hasattr(self, "client"):
                self.client.close()
        self._end(result)

    def _result(self) -> dict[str, Any]:
        items, findings = read_items(self.kind, self.parameters[self.kind.list_name], self.parameters["username"])
        records, server_findings = self._look(items, wait=not findings)
        if findings or server_findings:
            raise Refusal(findings + server_findings)
        plan = make_plan(
            self.kind,
            items,
            records,
            self.client.version,
            self.digests,
            self.parameters.get("update_secrets", UPDATE_SECRETS[1]),
            self.parameters["username"],
        )
        self._warn(plan)
        result = {
            "changed": bool(plan.changes),
            "login_refused": False,
            **{key: plan.names(verb) for verb, key in VERBS.items()},
            "airflow_version": self.client.airflow,
            **self._diff(plan.changes),
        }
        if self.module.check_mode:
            return result
        try:
            write(self.client, self.kind, plan.changes)
        except WriteError as error:
            return {**result, **self._half_done(error, items, plan)}
        return {**result, **self._remember(items, plan, None if plan.changes else records)}

    def _look(self, items: list[Item], wait: bool) -> tuple[dict[str, Record], list[str]]:
        """What is there, and what speaks against the items with it."""
        try:
            self.client = ApiClient(server_of(self.parameters), patient=wait and not self.module.check_mode)
            self.client.secrets = frozenset(secret_texts(self.kind, self.parameters[self.kind.list_name]))
            self.client.open()
            records = self._records()
            findings = find_problems(self.kind, items, records, self.client.version) + self._unknown_roles(items, records)
        except ApiError as error:
            if not wait:
                return {}, []
            expected = self.parameters["refusal_is_a_result"]
            if self.module.check_mode and (expected or isinstance(error, Refused)):
                self.module.warn(f"{error} Told is what would be done to an Airflow that has none of these {self.kind.list_name}.")
                return {}, find_problems(self.kind, items, {}, self.client.version)
            if expected and error.status in DENIED:
                raise LoginRefused from error
            raise
        return records, findings

    def _records(self) -> dict[str, Record]:
        raws = self.client.collect(self.kind.path(self.client.version), self.kind.list_name)
        records = dict(self.kind.record(raw) for raw in raws)
        for name, digest in (self.parameters.get("digests") or {}).items():
            if name in records:
                records[name] = self.kind.recall(records[name], digest)
        return records

    def _unknown_roles(self, items: list[Item], records: Mapping[str, Record]) -> list[str]:
        if not isinstance(self.kind, Users):
            return []
        known = {role for record in records.values() for role in record["roles"]}
        if unknown_roles(self.kind, items, known):
            known = {role["name"] for role in self.client.collect(self.kind.roles_path(self.client.version), "roles")}
        return unknown_roles(self.kind, items, known)

    def _warn(self, plan: Plan) -> None:
        if plan.uncompared:
            names = ", ".join(plan.uncompared)
            self.module.warn(
                f"{len(plan.uncompared)} of the {self.kind.list_name} have secrets that the API does not show ({names}): "
                "they were neither compared nor written. Set digests_file, or update_secrets to always or on_create."
            )

    def _diff(self, changes: list[Change]) -> dict[str, Any]:
        return {"diff": make_diff(self.kind, changes)} if self.module._diff else {}

    def _remember(self, items: list[Item], plan: Plan, records: Mapping[str, Record] | None) -> dict[str, Any]:
        """The new digests. Looks once more where something was written, and warns where Airflow made something else of it."""
        try:
            records = self._records() if records is None else records
        except ApiError as error:
            self.module.warn(f"What was written could not be read again, so no digests of it are kept. {error}")
            return {}
        again = make_plan(self.kind, items, records, self.client.version, self.digests, "on_create")
        for change in again.changes:
            keys = ", ".join(change.values) or "it"
            self.module.warn(f"{self.kind.list_name}, {change.item.name}: Airflow shows {keys} otherwise than it was given.")
        if not self.digests.kept:
            return {}
        entries = {item.name: self.digests.entry(item, plan.right.get(item.name, ()), records.get(item.name)) for item in items}
        return {"digests": {name: entry or None for name, entry in entries.items()}}

    def _half_done(self, error: WriteError, items: list[Item], plan: Plan) -> dict[str, Any]:
        """What to say of a plan that stopped half-way, and what is known of the part that was done."""
        stopped = [*error.undone, *error.unsure]
        done = [change for change in plan.changes if change not in stopped]
        parts = [("Done", done), ("not done", error.undone), ("maybe done", error.unsure)]
        told = "; ".join(f"{label}: {_listed(changes)}" for label, changes in parts if changes or label == "Done")
        names = {change.item.name for change in stopped}
        remembered = self._remember([item for item in items if item.name not in names], plan, None)
        by_verb = {key: [change.item.name for change in done if change.verb == verb] for verb, key in VERBS.items()}
        return {
            **by_verb,
            **self._diff(done),
            **remembered,
            "failed": True,
            "changed": bool(done or error.unsure),
            "msg": f"Airflow did not take all {self.kind.list_name}. {str(error).rstrip('.')}. {told}.",
            "not_done": [change.item.name for change in error.undone],
            "maybe_done": [change.item.name for change in error.unsure],
        }

    def _end(self, result: dict[str, Any]) -> None:
        """Return the result."""
        names = [item.get(self.kind.identifier) for item in self.parameters[self.kind.list_name]]
        end = self.module.fail_json if result.pop("failed", False) else self.module.exit_json
        end(**result, invocation=shown_invocation(self.parameters, **{self.kind.list_name: names}))


def run_info(kind: Kind) -> None:
    """One call of a module that reads the objects of a kind."""
    module = AnsibleModule(
        argument_spec={**ARGUMENTS, "names": {"type": "list", "elements": "str"}},
        required_together=TOGETHER,
        required_one_of=ONE_OF,
        mutually_exclusive=ONE_OF,
        supports_check_mode=True,
    )
    # As above: the password may be part of a name.
    module.no_log_values.clear()
    wanted, invocation = module.params["names"], shown_invocation(module.params)
    try:
        client = ApiClient(server_of(module.params))
        client.open()
        found = [kind.describe(raw) for raw in client.collect(kind.path(client.version), kind.list_name)]
        client.close()
    except ApiError as error:
        module.fail_json(msg=f"The {kind.list_name} could not be read. {error}", invocation=invocation)
    except Exception as error:
        module.fail_json(msg=f"The {kind.list_name} could not be read: {unforeseen(error)}.", invocation=invocation)
    chosen = [described for described in found if wanted is None or described[kind.identifier] in wanted]
    chosen.sort(key=lambda described: str(described[kind.identifier]))
    module.exit_json(**{kind.list_name: chosen}, airflow_version=client.airflow, invocation=invocation)


def shown_invocation(parameters: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """What the result says about the arguments."""
    shown = {name: NOT_SHOWN if value and name in OWN_SECRETS else value for name, value in parameters.items() if name != "digests"}
    return {"module_args": {**shown, **others}}


def secret_texts(kind: Kind, items: Iterable[Mapping[str, Any]]) -> set[str]:
    """Every text below a secret key, and what a URI says of them."""
    values = [item[key] for item in items for key in (*kind.secrets, "uri") if key in item]
    for item in items:
        if "uri" in item:
            with contextlib.suppress(Wrong):
                values += [value for key, value in parse_uri(item["uri"]).items() if key in kind.secrets]
    return {found for value in values for found in _texts(value)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, (str, int, float)):
        yield str(value)


def _listed(changes: Iterable[Change]) -> str:
    return ", ".join(f"{change.verb} {change.item.name}" for change in changes) or "nothing"
