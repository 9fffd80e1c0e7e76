# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Airflow's configuration options are called, and how settings are carried from one version to another.

Facts come from `roles/common/files/options/<version>.json` (made by `tests/tools/make_options.py`), decisions from
`moves.json` beside them. A value is always what Airflow works with: a single `%`, and `{AIRFLOW_HOME}` for the home.
Settings are `{section: {option: value}}` throughout.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Name = tuple[str, str]
Settings = dict[str, dict[str, str]]
# Resolved, so that it also holds where the collection is reached through a link.
DEFAULT_FILES_DIR = os.path.normpath(
    os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "roles", "common", "files", "options")
)

# The collection sets these itself, or takes them from the hand-made installation by other means than its
# airflow.cfg (paths, keys, users, port): `adopted_differences` never returns them, in no version's spelling.
DERIVED_OPTIONS = frozenset(
    {
        ("api", "port"),
        ("api", "secret_key"),
        ("api_auth", "jwt_secret"),
        ("core", "airflow_home"),
        ("core", "auth_manager"),
        ("core", "dags_folder"),
        ("core", "execution_api_server_url"),
        ("core", "executor"),
        ("core", "fernet_key"),
        ("core", "internal_api_secret_key"),
        ("core", "plugins_folder"),
        ("core", "simple_auth_manager_all_admins"),
        ("core", "simple_auth_manager_passwords_file"),
        ("core", "simple_auth_manager_users"),
        ("database", "sql_alchemy_conn"),
        ("database", "sql_alchemy_conn_async"),
        ("fab", "config_file"),
        ("logging", "base_log_folder"),
        ("logging", "dag_processor_child_process_log_directory"),
        ("logging", "dag_processor_manager_log_location"),
        ("scheduler", "child_process_log_directory"),
        ("scheduler", "standalone_dag_processor"),
        ("webserver", "config_file"),
        ("webserver", "secret_key"),
        ("webserver", "web_server_port"),
    }
)

# These fit the database engine they were written for, and no other: whoever changes the engine drops them.
DATABASE_ENGINE_OPTIONS = frozenset(
    {
        ("database", "sql_alchemy_connect_args"),
        ("database", "sql_alchemy_connect_args_async"),
        ("database", "sql_alchemy_engine_args"),
        ("database", "sql_alchemy_schema"),
        ("database", "sql_engine_collation_for_ids"),
        ("database", "sql_engine_encoding"),
    }
)

# A sensitive option may be given as a command to run or a name in a secrets backend instead.
INDIRECT_SUFFIXES = ("_cmd", "_secret")
BOOLEANS = frozenset({"true", "t", "1", "false", "f", "0"})
NUMBERS = {
    "integer": (r"[+-]?\d+", "a whole number"),
    "float": (r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", "a number"),
}
_SECRET_NAME = re.compile(r"password|passwd|secret|token|private_key|api_key|access_key|credential|kwarg|dsn")
_URL_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


@dataclass(frozen=True)
class Option:
    """One option as a version of Airflow knows it; default None means that it has none.

    `fallback` is what a generated airflow.cfg says instead while the option's provider is not installed.
    """

    section: str
    option: str
    default: str | None = None
    sensitive: bool = False
    type: str = "string"
    fallback: str | None = None

    @property
    def name(self) -> Name:
        return self.section, self.option


@dataclass(frozen=True)
class _Version:
    """The content of one <version>.json."""

    version: str
    options: dict[Name, Option]
    sections: frozenset[str]
    incomplete: frozenset[str]
    renamed: dict[Name, Name]
    renamed_sections: dict[str, str]


@dataclass(frozen=True)
class _Catalogue:
    """All versions together, and the decisions of moves.json."""

    versions: dict[str, _Version]
    successors: dict[Name, tuple[Name, ...]]
    predecessors: dict[Name, tuple[Name, ...]]
    renamed_sections: dict[str, str]
    section_aliases: dict[str, str]
    removed: dict[Name, str]
    multiplied: dict[Name, int]
    values: dict[Name, dict[str, str | None]]
    value_advice: dict[Name, str]
    review: dict[Name, str]
    former_defaults: dict[str, dict[Name, list[str]]]
    pinned: tuple[Name, ...]
    joined_by: dict[Name, str]


class OptionSet:
    """The options of one version, found by the name of any version."""

    def __init__(self, version: str, catalogue: _Catalogue) -> None:
        self.version = version
        self.line = _line(version)
        self._catalogue = catalogue
        self._own = catalogue.versions[version]

    @property
    def options(self) -> Mapping[Name, Option]:
        """Every option of this version by its name."""
        return self._own.options

    def find(self, section: str, option: str) -> Option | None:
        """The option that this version has for a name of this or another version, None if it has none."""
        name = self._canonical(section, option)
        found = self._find(name)
        if found:
            return found
        for suffix in INDIRECT_SUFFIXES:
            if name[1].endswith(suffix):
                base = self._find((name[0], name[1][: -len(suffix)]))
                if base and base.sensitive:
                    return Option(base.section, base.option + suffix)
        return None

    def removed(self, section: str, option: str) -> str | None:
        """What to do instead of an option that existed before this version, None if it was not removed."""
        if self.line < 3 or self.find(section, option):
            return None
        name = self._canonical(section, option)
        advice = [self._catalogue.removed.get(near) for near in (name, *self._catalogue.successors.get(name, ()))]
        return next((text for text in advice if text), None)

    def other_version(self, section: str, option: str) -> str | None:
        """The first other version that has this option, when this one has not."""
        name = self._canonical(section, option)
        return next((version for version, data in self._catalogue.versions.items() if name in data.options), None)

    def has_section(self, section: str) -> bool:
        """Whether this or another version knows the section, so that an unknown option in it is a mistake."""
        section = self._canonical(section, "")[0]
        return any(section in data.sections for data in self._catalogue.versions.values())

    def accepts_any(self, section: str) -> bool:
        """Whether the section's options are not all known (a provider that is not in the lock, or free names)."""
        section = self._canonical(section, "")[0]
        return any(section in data.incomplete for data in self._catalogue.versions.values())

    def nearest(self, section: str, option: str) -> Name | None:
        """The option whose name looks most like a wrong one: in the same section, else with nearly that name."""
        section, option = self._canonical(section, option)
        here = [name[1] for name in self.options if name[0] == section]
        match = difflib.get_close_matches(option, here, n=1, cutoff=0.7)
        if match:
            return section, match[0]
        everywhere = {name[1]: name for name in self.options}
        match = difflib.get_close_matches(option, list(everywhere), n=1, cutoff=0.85)
        return everywhere[match[0]] if match else None

    def nearest_section(self, section: str) -> str | None:
        """The section whose name looks most like a wrong one."""
        match = difflib.get_close_matches(section, sorted(self._own.sections), n=1, cutoff=0.75)
        return match[0] if match else None

    def in_unit_of(self, target: Option, given: Name, value: str) -> str:
        """The value of an old name in the unit of the option that replaced it (days became minutes)."""
        factor = self._catalogue.multiplied.get(given) if given != target.name else None
        return str(int(value) * factor) if factor and value.strip().isdigit() else value

    def translate_value(self, target: Option, value: str) -> str | None:
        """The value in this version's terms, None when it has no meaning any more (see `value_advice`)."""
        if self.line < 3:
            return value
        return _replaced(value, self._catalogue.values.get(target.name, {}), self.separator(target.name))

    def was_default(self, name: Name, value: str, home: str, version: str) -> bool:
        """Whether an airflow.cfg written by this version, or by one near it, says this unless it is edited."""
        known = self.options.get(name)
        if known and (is_default(known, value, home) or value.strip() == known.fallback):
            return True
        if version == self.version:
            return False
        former = self._catalogue.former_defaults.get(str(self.line), {}).get(name, [])
        if known or former:
            return any(_comparable(value) == _comparable(default) for default in former)
        others = [data.options[name] for data in self._catalogue.versions.values() if name in data.options]
        return any(is_default(other, value, home) for other in others)

    def value_advice(self, name: Name) -> str:
        """What to do about a value that has no meaning any more."""
        return self._catalogue.value_advice.get(name, "choose another value")

    def review(self, name: Name) -> str | None:
        """What to check by hand after this option was carried over from 2.x to 3.x."""
        return self._catalogue.review.get(name)

    def separator(self, name: Name) -> str | None:
        """What stands between the items of an option that is a list, None if a list is written as JSON."""
        return self._catalogue.joined_by.get(name)

    def _canonical(self, section: str, option: str) -> Name:
        section, option = section.lower(), option.lower()
        section = self._catalogue.section_aliases.get(section, section)
        return self._catalogue.renamed_sections.get(section, section), option

    def _find(self, name: Name) -> Option | None:
        if name in self.options:
            return self.options[name]
        later = list(_reachable([name], self._catalogue.successors))
        earlier = _reachable([name, *later], self._catalogue.predecessors)
        return next((self.options[other] for other in (*later, *earlier) if other in self.options), None)


def load_options(files_dir: str, version: str) -> OptionSet | None:
    """The options of a version, None when there is no data for it."""
    catalogue = _load(files_dir)
    return OptionSet(version, catalogue) if version in catalogue.versions else None


def nearest_options(files_dir: str, version: str) -> OptionSet | None:
    """The options of the version itself or of the nearest of the same line: the next later one, else the last."""
    catalogue = _load(files_dir)
    same_line = sorted((known for known in catalogue.versions if _line(known) == _line(version)), key=_order)
    later = [known for known in same_line if _order(known) >= _order(version)]
    chosen = later[0] if later else (same_line[-1] if same_line else None)
    return OptionSet(chosen, catalogue) if chosen else None


def normalise(
    config: Mapping[str, Mapping[str, object]],
    options: OptionSet,
    extra_sections: Sequence[str],
    source: str,
) -> tuple[Settings, list[str]]:
    """A user's settings in this version's names and as text, and what is wrong with them as sentences.

    `source` is the variable they came from. With any finding the settings are not complete.
    """
    result: Settings = {}
    findings: list[str] = []
    origin: dict[Name, Name] = {}
    for section, content in config.items():
        problem = _section_problem(section, content, options, extra_sections, source)
        if problem:
            findings.append(problem)
            continue
        for option, raw in content.items():
            given = (str(section), str(option))
            name, value, problem = _normalise_one(given, raw, options, extra_sections, source)
            if problem:
                findings.append(problem)
            elif name in origin and result[name[0]][name[1]] != value:
                findings.append(_both_spellings(source, origin[name], given))
            else:
                origin.setdefault(name, given)
                result.setdefault(name[0], {})[name[1]] = value
    return result, findings


def adopted_differences(
    config: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    source_version: str,
    target: OptionSet,
    files_dir: str = DEFAULT_FILES_DIR,
    home: str = "",
) -> tuple[Settings, list[str]]:
    """What a hand-made installation sets differently from its version's defaults, in the target's names.

    `config` is its airflow.cfg, `environment` the variables of its daemons (they win), `home` its AIRFLOW_HOME.
    DERIVED_OPTIONS are left out. A value that equals the target's default is kept: the user chose it, so it must
    win over `changed_defaults`. The notes tell what could not be carried over, or should be looked at; they never
    show a value. Options nobody knows are kept as they are: DAGs may read them.
    """
    own = nearest_options(files_dir, source_version) or target
    home = (home or environment.get("AIRFLOW_HOME", "")).rstrip("/")
    result: Settings = {}
    notes: list[str] = []
    exact: set[Name] = set()
    for given, value in sorted(_effective(config, environment, own).items()):
        if _is_derived(given):
            if given not in DERIVED_OPTIONS:
                notes.append(f"{_label(given)} is not carried over: it stands for a value the collection sets itself.")
            continue
        if own.was_default(given, value, home, source_version):
            continue
        name, translated, found_notes = _carried(given, value, own, target, home)
        notes.extend(found_notes)
        if translated is None:
            continue
        if name in exact or (name[1] in result.get(name[0], {}) and name != given):
            notes.append(f"{_label(given)} is not carried over: {_label(name)} is set too, and is the same setting.")
            continue
        if name == given:
            exact.add(name)
        result.setdefault(name[0], {})[name[1]] = translated
    return result, notes


def changed_defaults(source_line: int, target_line: int, files_dir: str = DEFAULT_FILES_DIR) -> Settings:
    """Settings that keep the source's behaviour where the target's default would change what DAGs do."""
    result: Settings = {}
    old = nearest_options(files_dir, f"{source_line}.0.0")
    if source_line >= target_line or old is None:
        return result
    for section, option in _load(files_dir).pinned:
        result.setdefault(section, {})[option] = old.options[(section, option)].default or ""
    return result


def without_defaults(settings: Mapping[str, Mapping[str, str]], options: OptionSet, airflow_home: str = "/opt/airflow") -> Settings:
    """The settings that differ from the version's defaults."""
    result: Settings = {}
    for section, option, value in _each(settings):
        known = options.options.get((section, option))
        if not (known and is_default(known, value, airflow_home)):
            result.setdefault(section, {})[option] = value
    return result


def split_secrets(settings: Mapping[str, Mapping[str, str]], options: OptionSet) -> tuple[Settings, Settings]:
    """The settings for airflow.cfg, and those that only the environment of a daemon may hold."""
    public: Settings = {}
    secret: Settings = {}
    for section, option, value in _each(settings):
        side = secret if is_secret(section, option, value, options) else public
        side.setdefault(section, {})[option] = value
    return public, secret


def is_secret(section: str, option: str, value: str, options: OptionSet) -> bool:
    """Whether a setting must be kept secret; of options that are not known the name decides."""
    known = options.find(section, option)
    if known and known.sensitive:
        return True
    if not known and _SECRET_NAME.search(option):
        return True
    return bool(_URL_WITH_PASSWORD.search(value))


def looks_secret(name: str, value: str) -> bool:
    """Whether a value that Airflow has no option for must be kept secret, by its name or because it is an address with a password."""
    return bool(_SECRET_NAME.search(name.lower()) or _URL_WITH_PASSWORD.search(value))


def is_default(option: Option, value: str, airflow_home: str) -> bool:
    """Whether a value means the same as the option's default."""
    default = expand_default(option.default, airflow_home)
    if default is None:
        return not value.strip()
    return _comparable(value) == _comparable(default)


def expand_default(default: str | None, airflow_home: str) -> str | None:
    """A default with the home filled in; generated keys ({FERNET_KEY} and its like) stay placeholders."""
    return default.replace("{AIRFLOW_HOME}", airflow_home) if default is not None else None


def environment_name(section: str, option: str) -> str:
    """The environment variable that sets an option."""
    return f"AIRFLOW__{section.replace('.', '_').upper()}__{option.upper()}"


def parse_environment(environment: Mapping[str, str]) -> Settings:
    """The options that environment variables set (AIRFLOW__SECTION__OPTION), by lower-case names."""
    result: Settings = {}
    for variable, value in environment.items():
        prefix, _separator, rest = variable.partition("__")
        section, _separator, option = rest.partition("__")
        if prefix == "AIRFLOW" and section and option:
            result.setdefault(section.lower(), {})[option.lower()] = value
    return result


def _line(version: str) -> int:
    return int(version.split(".", 1)[0])


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _name(text: str) -> Name:
    section, _dot, option = text.rpartition(".")
    return section, option


def _label(name: Name) -> str:
    return f"[{name[0]}] {name[1]}"


def _each(settings: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    for section, content in settings.items():
        for option, value in content.items():
            yield section, option, value


@cache
def _load(files_dir: str) -> _Catalogue:
    files = sorted(name for name in os.listdir(files_dir) if re.fullmatch(r"\d+\.\d+\.\d+\.json", name))
    versions = {data.version: data for data in (_version(_read(os.path.join(files_dir, name))) for name in files)}
    return _catalogue(versions, _read(os.path.join(files_dir, "moves.json")))


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as stream:
        content: dict[str, Any] = json.load(stream)
    return content


def _version(data: Mapping[str, Any]) -> _Version:
    options = {
        (section, option): Option(section, option, **facts)
        for section, content in data["sections"].items()
        for option, facts in content["options"].items()
    }
    return _Version(
        version=data["version"],
        options=options,
        sections=frozenset(data["sections"]),
        incomplete=frozenset(section for section, content in data["sections"].items() if content.get("incomplete")),
        renamed={_name(old): _name(new) for old, new in data["renamed"].items()},
        renamed_sections=data["renamed_sections"],
    )


def _catalogue(versions: dict[str, _Version], moves: Mapping[str, Any]) -> _Catalogue:
    removed = {_name(name): advice for name, advice in moves["removed"].items()}
    edges = [(_name(old), _name(new)) for old, new in moves["renamed"].items()]
    edges += [edge for data in versions.values() for edge in data.renamed.items()]
    # Where a decision says "removed", the meaning changed although upstream renames.
    edges = [(old, new) for old, new in edges if old not in removed]
    sections = {section for data in versions.values() for section in data.sections}
    return _Catalogue(
        versions=versions,
        successors=_grouped(edges),
        predecessors=_grouped((new, old) for old, new in edges),
        renamed_sections={old: new for data in versions.values() for old, new in data.renamed_sections.items()},
        section_aliases={section.replace(".", "_"): section for section in sections if "." in section},
        removed=removed,
        multiplied={_name(name): factor for name, factor in moves["multiplied"].items()},
        values={_name(name): values for name, values in moves["values"].items()},
        value_advice={_name(name): advice for name, advice in moves["value_advice"].items()},
        review={_name(name): advice for name, advice in moves["review"].items()},
        former_defaults={
            line: {_name(name): values for name, values in former.items()} for line, former in moves["former_defaults"].items()
        },
        pinned=tuple(_name(name) for name, decision in moves["defaults"].items() if decision["pin"]),
        joined_by={_name(name): separator for name, separator in moves["joined_by"].items()},
    )


def _grouped(edges: Iterable[tuple[Name, Name]]) -> dict[Name, tuple[Name, ...]]:
    result: dict[Name, tuple[Name, ...]] = {}
    for start, end in edges:
        result[start] = tuple(dict.fromkeys((*result.get(start, ()), end)))
    return result


def _reachable(start: Sequence[Name], edges: Mapping[Name, tuple[Name, ...]]) -> Iterator[Name]:
    """The names reached from a start, nearest first, without the start itself."""
    seen = set(start)
    waiting = list(start)
    while waiting:
        for name in edges.get(waiting.pop(0), ()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
                yield name


def _replaced(value: str, replacements: Mapping[str, str | None], separator: str | None) -> str | None:
    if not separator:
        return replacements.get(value.strip(), value)
    items = [item.strip() for item in value.split(separator)]
    if not any(item in replacements for item in items):
        return value
    kept = [new for new in (replacements.get(item, item) for item in items) if new]
    return separator.join(kept) or None


def _comparable(value: str) -> object:
    """A value reduced to what Airflow makes of it: no outer blanks, numbers and booleans in one spelling."""
    text = value.strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        return float(text) if re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else json.loads(text)
    except ValueError:
        return text


def _section_problem(section: object, content: object, options: OptionSet, extra_sections: Sequence[str], source: str) -> str | None:
    name = str(section)
    if not isinstance(content, Mapping):
        return f"{source}: [{name}] must hold options and their values, as in {source}: {{{name}: {{option: value}}}}."
    if name in extra_sections or options.has_section(name):
        return None
    near = options.nearest_section(name)
    hint = f"did you mean [{near}]? If" if near else "if"
    return (
        f"{source}: [{name}] is not a section of Airflow {options.version}; {hint} a provider or plugin reads it, "
        f"add {name} to airflow_config_extra_sections."
    )


def _normalise_one(
    given: Name, raw: object, options: OptionSet, extra_sections: Sequence[str], source: str
) -> tuple[Name, str, str | None]:
    """Name and text of one setting in this version, or the sentence that says why not."""
    place = f"{source}: {_label(given)}"
    found = options.find(*given)
    free = given[0] in extra_sections or options.accepts_any(given[0])
    if not found and not free:
        return given, "", _unknown_option(place, given, options)
    name = found.name if found else given
    if raw is None:
        return name, "", f"{place} has no value; write '' for an empty one, or remove it."
    text = _as_text(raw, options.separator(name))
    if not found:
        return name, text, None
    value = options.translate_value(found, options.in_unit_of(found, given, text))
    if value is None:
        return name, "", f"{place} has a value Airflow {options.version} does not know: {options.value_advice(name)}."
    return name, value, _type_problem(place, found, value)


def _unknown_option(place: str, given: Name, options: OptionSet) -> str:
    advice = options.removed(*given)
    if advice:
        return f"{place} does not exist in Airflow {options.version}: {advice}."
    other = options.other_version(*given)
    if other:
        return f"{place} is an option of Airflow {other}, Airflow {options.version} has nothing like it: remove it."
    near = options.nearest(*given)
    if not near:
        return f"{place} is not an option of Airflow {options.version}: remove it."
    hint = near[1] if near[0] == given[0] else _label(near)
    return f"{place} is not an option of Airflow {options.version}; did you mean {hint}?"


def _as_text(raw: object, separator: str | None) -> str:
    if isinstance(raw, (list, tuple)) and separator:
        return separator.join(str(item) for item in raw)
    if isinstance(raw, (list, tuple, Mapping)):
        return json.dumps(raw)
    return str(raw)


def _type_problem(place: str, option: Option, value: str) -> str | None:
    text = value.strip()
    # Airflow fills in environment variables itself, and reads some options that are empty as not set.
    if not text or "$" in text:
        return None
    if option.type == "boolean" and text.lower() not in BOOLEANS:
        return f"{place} takes true or false."
    pattern, kind = NUMBERS.get(option.type, (None, ""))
    if pattern and not re.fullmatch(pattern, text):
        return f"{place} takes {kind}."
    return None


def _both_spellings(source: str, first: Name, second: Name) -> str:
    return f"{source}: {_label(first)} and {_label(second)} are one setting but have different values: remove one."


def _effective(config: Mapping[str, Mapping[str, str]], environment: Mapping[str, str], own: OptionSet) -> dict[Name, str]:
    """Every setting by the name its own version uses: environment before file, the exact name before an old one."""
    result: dict[Name, str] = {}
    for layer in (config, parse_environment(environment)):
        exact: dict[Name, str] = {}
        for section, option, value in _each(layer):
            found = own.find(section, option)
            name = found.name if found else (section, option)
            if not found or name == (section, option):
                exact[name] = value
            else:
                result[name] = own.in_unit_of(found, (section, option), value)
        result.update(exact)
    return result


def _is_derived(name: Name) -> bool:
    section, option = name
    for suffix in INDIRECT_SUFFIXES:
        if option.endswith(suffix) and (section, option[: -len(suffix)]) in DERIVED_OPTIONS:
            return True
    return name in DERIVED_OPTIONS


def _carried(given: Name, value: str, own: OptionSet, target: OptionSet, home: str) -> tuple[Name, str | None, list[str]]:
    """One setting of the source in the target's name and value (None: not carried over), and its notes."""
    label = _label(given)
    found = target.find(*given)
    if not found:
        return _without_successor(given, value, own, target)
    translated = target.translate_value(found, value)
    if translated is None:
        advice = target.value_advice(found.name)
        return found.name, None, [f"{label} is not carried over to Airflow {target.version}: {advice}."]
    notes = []
    review = target.review(found.name)
    if review and own.line < target.line:
        notes.append(f"{label} is carried over as it was, check it: {review}.")
    if home and (translated == home or f"{home}/" in translated):
        notes.append(f"{label} is carried over and still points into {home}, which the collection does not manage.")
    return found.name, translated, notes


def _without_successor(given: Name, value: str, own: OptionSet, target: OptionSet) -> tuple[Name, str | None, list[str]]:
    label = _label(given)
    advice = target.removed(*given)
    if not advice and (given not in own.options or target.accepts_any(given[0])):
        return given, value, [f"{label} is not an option this collection knows; it is carried over as it was."]
    advice = (advice or "it has nothing like it").removeprefix("remove it; ")
    return given, None, [f"{label} is not carried over, Airflow {target.version} does not have it: {advice}."]
