# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_mysql_pair
short_description: Make a MySQL server the source or the replica of a pair, and let the replica take over
version_added: 0.1.0
description:
  - Works on the server of the host it runs on, as root by its socket. What the two know of each other is in O(settings).
  - Who is the source is read from the servers each time. A server is opened to writes only where the other one does not take any.
  - Data that only one server has are never thrown away without O(clone_anew) or O(unsynced).
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what it would do. Where no server answers yet, that is nothing.
  diff_mode:
    support: none
    description: RV(done) says what was changed.
options:
  state:
    description:
      - V(source) takes writes, V(replica) follows the other one, from a copy of its data where it has none that fit.
      - V(confirmed), on the source, has commits wait for the replica once there is one.
      - V(closed) takes no more writes, and V(reopened) takes them again where the other one says that it has not taken over.
      - V(promoted) becomes the source in place of the other one.
      - V(looked) only tells what the server is.
    type: str
    choices: [looked, source, replica, confirmed, closed, reopened, promoted]
    default: looked
  settings:
    description: A file that only root reads, with the names and addresses of both and the account for replication.
    type: path
    default: /etc/airflow-database/pair.json
  socket:
    description: The server's socket, where O(settings) does not name it.
    type: path
    default: /run/mysqld/mysqld.sock
  clone_anew:
    description: With V(replica), throw the data of this server away and copy them from the source.
    type: bool
    default: false
  hand_over:
    description: With V(promoted), wait until the other server is closed, and take over with everything it has. Without, it is lost.
    type: bool
    default: false
  ways:
    description:
      - With V(promoted) and without O(hand_over), what the hosts of Airflow know of the other server - each with V(host), V(up), and the
        V(age) in seconds of that knowledge.
    type: list
    elements: dict
    default: []
  unsynced:
    description: With V(promoted), take over also where acknowledged writes may be lost. Never beside a source that is alive.
    type: bool
    default: false
  timeout:
    description: Seconds that each change of state has. A copy of the data takes as long as it takes.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Have the server follow the other one
  updraft.airflow.airflow_mysql_pair:
    state: replica
"""

RETURN = r"""
done:
  description: What was changed, in words.
  returned: success
  type: list
  elements: str
  sample: [its data are copied from db1, it follows db1]
member:
  description: What the server says of itself; empty where it does not answer.
  returned: success
  type: dict
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils import database_role
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.mysql_member import Member, MemberError, alive, doubt


def read_settings(path: str) -> dict[str, Any]:
    """What the two servers know of each other. Raises MemberError."""
    try:
        with open(path, encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
    except (OSError, ValueError):
        raise MemberError(f"{path} is not there: this host is none of a pair of MySQL servers that updraft.airflow.site made.") from None
    return found


def carry_out(member: Member, parameters: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; what the server is then. Raises MemberError."""
    state = parameters["state"]
    if state == "source":
        member.be_source()
    elif state == "replica":
        member.be_replica(parameters["clone_anew"])
    elif state == "confirmed":
        member.be_confirmed()
    elif state == "closed":
        member.close()
    elif state == "reopened":
        member.open_again()
    elif state == "promoted":
        promote(member, parameters)
    return member.look()


def promote(member: Member, parameters: dict[str, Any]) -> None:
    """Let the server take over, with all that the other one has, or with what has come when that one is lost. Raises MemberError."""
    if not parameters["hand_over"]:
        sign = alive(database_role.ask(member.pair["peer_url"]), parameters["ways"])
        if sign:
            raise MemberError(
                f"The MySQL server of {member.peer} is alive ({sign}), so that of {member.name} does not take over, whatever is given up: "
                f"let {member.peer} be reached, or end MySQL there, and run this again."
            )
        own = database_role.ask(member.pair["own_url"]) or {}
        seconds = float(member.pair["semi_sync_seconds"])
        evidence = doubt(own.get("source_in_sync_age"), parameters["ways"], seconds, bool(member.look()["follows"]))
        member.take_over(None, evidence, parameters["unsynced"])
    elif member.check_mode:
        member.take_over("")
    elif member.is_followed():
        member.open_again()
    elif not member.look()["writable"]:
        member.take_over(member.closed_peer())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["looked", "source", "replica", "confirmed", "closed", "reopened", "promoted"], "default": "looked"},
            "settings": {"type": "path", "default": "/etc/airflow-database/pair.json"},
            "socket": {"type": "path", "default": "/run/mysqld/mysqld.sock"},
            "clone_anew": {"type": "bool", "default": False},
            "hand_over": {"type": "bool", "default": False},
            "ways": {"type": "list", "elements": "dict", "default": []},
            "unsynced": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        pair = read_settings(module.params["settings"])
        member = Member(pair.get("socket") or module.params["socket"], pair, module.params["timeout"], module.check_mode)
        found = carry_out(member, module.params)
    except MemberError as error:
        module.fail_json(msg=str(error))
    except ImportError:
        module.fail_json(msg="The system's Python has no PyMySQL: install the distribution's package for it.")
    except Exception as error:
        module.fail_json(msg=unforeseen(error))
    module.exit_json(changed=bool(member.done), done=member.done, member=found)


if __name__ == "__main__":
    main()
