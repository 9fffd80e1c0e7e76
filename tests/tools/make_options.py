# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what an installed Airflow knows about its options to roles/common/files/options/<version>.json.

Run it with the Python of a venv made from the collection's lock, AIRFLOW_HOME being an empty folder. A provider that
a topology needs but that venv lacks (Celery's) may lie in a folder of its own, installed without its dependencies:

    AIRFLOW_HOME=$(mktemp -d) PYTHONPATH=FOLDER VENV/bin/python tests/tools/make_options.py roles/common/files/options

The file holds facts only: names, defaults, types, and which names were renamed. What a person has to decide
(advice for removed options, values that changed meaning, defaults to pin) is in moves.json, and a unit test tells
when a new version leaves something undecided there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow import __version__
from airflow.cli.commands.config_command import CONFIGS_CHANGES
from airflow.configuration import conf, retrieve_configuration_description
from airflow.providers_manager import ProvidersManager

# What Airflow replaces in a default; kept as a placeholder.
PLACEHOLDERS = ("AIRFLOW_HOME", "FERNET_KEY", "SECRET_KEY", "JWT_SECRET_KEY")
# Sections whose every option is handed on to another library.
FREE_SECTIONS = ("celery_broker_transport_options", "celery_result_backend_transport_options", "sentry")

Description = dict[str, Any]


def provider_descriptions() -> Iterator[Description]:
    """The sections and options each installed provider declares."""
    for _name, description in ProvidersManager().provider_configs:
        yield description


def effective_default(description: Description) -> str | None:
    """The value Airflow works with when nothing is set: placeholders kept, % and braces not doubled."""
    default = description.get("default")
    retired = bool(description.get("version_deprecated") or description.get("deprecation_reason"))
    if default is None or (retired and __version__.startswith("3.")):
        return None
    if isinstance(default, str) and not description.get("is_template"):
        default = default.format(**{name: "{" + name + "}" for name in PLACEHOLDERS})
    return str(default).replace("%%", "%").strip()


def option_facts(description: Description) -> Description:
    """One option, reduced to what the collection needs."""
    facts: Description = {"default": effective_default(description), "type": description.get("type") or "string"}
    if description.get("sensitive"):
        facts["sensitive"] = True
    return facts


def known_sections() -> dict[str, Description]:
    """Core's sections, then what providers add to them; core's word stands where both describe an option."""
    sections: dict[str, Description] = {}
    core = retrieve_configuration_description(include_providers=False)
    for description in (core, *provider_descriptions()):
        for section, content in description.items():
            options = sections.setdefault(section, {"options": {}})["options"]
            for option, details in content["options"].items():
                options.setdefault(option, option_facts(details))
    return sections


def fallback_defaults() -> Any:
    """Defaults that Airflow itself ships for providers that may not be installed."""
    for attribute in ("_provider_cfg_config_fallback_default_values", "_provider_config_fallback_default_values"):
        parser = getattr(conf, attribute, None)
        if parser is not None:
            return parser
    raise SystemExit("this Airflow keeps its fallback defaults under a name this tool does not know")


def add_fallbacks(sections: dict[str, Description]) -> None:
    """Add the fallback defaults; a section known from them alone is marked as incomplete."""
    parser = fallback_defaults()
    for section in parser.sections():
        known = sections.setdefault(section, {"options": {}, "incomplete": True})
        for option in parser.options(section):
            facts: Description = {"default": parser.get(section, option), "type": "string"}
            if option.endswith(("password", "secret")):
                facts["sensitive"] = True
            declared = known["options"].setdefault(option, facts)
            if declared["default"] != facts["default"]:
                # What a new airflow.cfg says while the provider is not installed.
                declared["fallback"] = facts["default"]
    for section in FREE_SECTIONS:
        if section in sections:
            sections[section]["incomplete"] = True


def renames() -> dict[str, str]:
    """Old name -> new name, as this version accepts or recommends it."""
    result: dict[str, str] = {}
    for change in CONFIGS_CHANGES:
        if change.renamed_to:
            result[".".join(change.config)] = ".".join(change.renamed_to)
    for new, old_names in getattr(conf, "many_to_one_deprecated_options", {}).items():
        result.update({f"{section}.{option}": ".".join(new) for section, option, _since in old_names})
    # What the parser really reads comes last: it wins over the recommendation.
    result.update({f"{old[0]}.{old[1]}": ".".join(new) for new, old in conf.deprecated_options.items()})
    return result


def render(data: Description) -> str:
    """JSON with one option on a line, so that a change of version reads well in a diff."""
    lines = ["{", f'  "version": {json.dumps(data["version"])},', '  "sections": {']
    sections = sorted(data["sections"].items())
    for number, (section, content) in enumerate(sections):
        incomplete = '"incomplete": true, ' if content.get("incomplete") else ""
        lines.append(f'    {json.dumps(section)}: {{{incomplete}"options": {{')
        options = sorted(content["options"].items())
        for place, (option, facts) in enumerate(options):
            comma = "," if place + 1 < len(options) else ""
            lines.append(f"      {json.dumps(option)}: {json.dumps(facts)}{comma}")
        lines.append("    }}" + ("," if number + 1 < len(sections) else ""))
    lines.append("  },")
    for key in ("renamed_sections", "renamed"):
        body = json.dumps(data[key], indent=2, sort_keys=True).replace("\n", "\n  ")
        lines.append(f"  {json.dumps(key)}: {body}" + ("," if key == "renamed_sections" else ""))
    return "\n".join([*lines, "}"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    sections = known_sections()
    add_fallbacks(sections)
    data = {
        "version": __version__,
        "sections": sections,
        "renamed_sections": {old: new for new, (old, _since) in conf.deprecated_sections.items()},
        "renamed": renames(),
    }
    (folder / f"{__version__}.json").write_text(render(data), encoding="utf-8")


if __name__ == "__main__":
    main()
