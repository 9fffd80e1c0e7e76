# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills `site` at many moments of a lift, runs it again, and looks whether all is there; writes docs/kills.md.

Two images are made first: of an installation that somebody made by hand, and of the same host when all but the hand-over was done. Each
kill has a container of its own from one of them, with the old daemons running.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from airflow_checks.fixtures import Installation
from demo.machine import CA_BUNDLE, CHECKOUT, DemoError, docker, write_private
from demo.progress import Progress, run

from . import checks, containers, leases, points, runs, table
from .checks import Rows
from .containers import FOLDER
from .points import FIRST_INSTALLED, POINTS, POINTS_2_TO_3, Image, Moment, Point, Stage, Step

SEED = 20261201
ROWS = 20_000
SOURCE = "2.11.2"
LIFTS = {"2.11.2": POINTS, "3.3.2": POINTS_2_TO_3}
FRESH = "updraft-kills:fresh"
STATE, SEEN, LEASES = FOLDER / "state.json", FOLDER / "seen.json", FOLDER / "leases.json"
PAGE = CHECKOUT / "docs" / "kills.md"
LEAST_POINTS, LEAST_INSIDE = 24, 8


@dataclass
class State:
    """What the images are of, and what a run that nobody kills does."""

    history: int
    before: Rows
    steps: dict[str, list[Step]] = field(default_factory=dict)

    def keep(self) -> None:
        """Write it to the folder."""
        STATE.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def found(cls, history: int) -> State | None:
        """What an earlier call kept of the same history, with its image."""
        if not STATE.exists() or not containers.exists("image", FRESH):
            return None
        said = json.loads(STATE.read_text(encoding="utf-8"))
        steps = {version: [Step(**each) for each in listed] for version, listed in said["steps"].items()}
        return cls(said["history"], Rows(**said["before"]), steps) if said["history"] == history else None


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="kills", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=SEED, help=f"what the moments are drawn from ({SEED})")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of history ({ROWS})")
    parser.add_argument("--to", nargs="+", choices=LIFTS, default=list(LIFTS), help="the versions that are lifted to (all)")
    parser.add_argument("--only", nargs="+", default=[], metavar="POINT", help="kill at these points alone, by name; see --list")
    parser.add_argument("--leases", action="store_true", help="try the lease of a host that was lifted, and kill at no point")
    parser.add_argument("--missing", action="store_true", help="leave out what was seen with this seed before")
    parser.add_argument("--keep", action="store_true", help="keep the images, and use those that are there")
    parser.add_argument("--list", action="store_true", help="list the points and end")
    return parser.parse_args(words)


def installed(version: str) -> str:
    """The image of a host on which all but the hand-over to a version is done."""
    return f"updraft-kills:{version}"


def prepare_folder(version: str) -> Path:
    """Where the controller keeps what belongs to an image: inventory and credentials."""
    place: Path = FOLDER / f"installed-{version}"
    return place


def make_fresh(history: int) -> State:
    """Follow the tutorial, and keep the host."""
    run("Making the image of a host", ["tests/images/build", "bookworm"], FOLDER / "image.log")
    installation = containers.start()
    installing = {"UV_CACHE_DIR": "/root/.cache/uv"}
    if CA_BUNDLE.exists():
        bundle = str(CA_BUNDLE)
        installing |= {"SSL_CERT_FILE": bundle, "PIP_CERT": bundle, "UV_SYSTEM_CERTS": "1"}
    wanted = {
        "tutorial_version": SOURCE,
        "tutorial_environment": installing,
        "tutorial_history_rows": history,
        "tutorial_under_way": True,
        "tutorial_started": False,
    }
    variables = FOLDER / "tutorial.json"
    write_private(variables, json.dumps(wanted))
    inventory = runs.write_inventory(FOLDER, SOURCE)
    words = ["ansible-playbook", "--inventory", str(inventory), "--extra-vars", f"@{variables}", "tests/fixtures/tutorial.yml"]
    run(f"Following a tutorial: Airflow {SOURCE} by hand, {history} rows of history", words, FOLDER / "tutorial.log")
    state = State(history, checks.rows_before(installation))
    containers.keep(FRESH)
    state.keep()
    return state


def make_installed(state: State, version: str) -> None:
    """Cut a run off where it begins to hand over, keep the host, and let the next one go to its end."""
    folder = containers.fresh_folder(prepare_folder(version).name)
    inventory = runs.write_inventory(folder, version)
    with Progress(f"Lifting to {version}, up to the hand-over"):
        containers.start_old_daemons(containers.start(FRESH))
        runs.cut_off(folder, "up-to-there", inventory, Moment(FIRST_INSTALLED, 1, 0.0), points.ALL)
        containers.keep(installed(version))
    first = runs.steps(folder, "up-to-there")
    with Progress(f"Lifting to {version}, from there on"):
        installation, folder = begin(installed(version), version, f"whole-{version}")
        ended = runs.site(folder, "site", folder / "hosts.yml")
        see(ended.status == 0 and not ended.failed, ended.in_words())
        rest = runs.steps(folder, "site")
        start = [step.name for step in rest].index(FIRST_INSTALLED)
        state.steps[version] = first + rest[start:]
        look(installation, state, version)
        look_again(folder)
    state.keep()


def begin(image: str, version: str, name: str) -> tuple[Installation, Path]:
    """A host from an image, with the old daemons running, and the folder of its controller."""
    installation = containers.start(image)
    containers.start_old_daemons(installation)
    folder = containers.fresh_folder(name)
    if image == FRESH:
        runs.write_inventory(folder, version)
    else:
        shutil.copytree(prepare_folder(version), folder, dirs_exist_ok=True)
    return installation, folder


def see(is_so: bool, otherwise: str) -> None:
    """Raise DemoError with a sentence unless something is so."""
    if not is_so:
        raise DemoError(otherwise)


def look(installation: Installation, state: State, version: str) -> None:
    """See that everything is as it has to be."""
    wrong = checks.wrong(installation, state.before, version)
    see(not wrong, "\n".join(wrong))


def look_again(folder: Path) -> None:
    """See that a further run changes nothing."""
    third = runs.site(folder, "third", folder / "hosts.yml")
    see((third.status, third.changed, third.failed) == (0, 0, 0), f"A third run changed {third.changed}: {third.in_words()}")


def kill(state: State, version: str, point: Point, stage: Stage, moment: Moment, seed: int) -> table.Seen:
    """Kill at one point, run `site` again, and see that all is well. Raises DemoError when it is not."""
    image = FRESH if stage.image is Image.FRESH else installed(version)
    installation, folder = begin(image, version, f"{version}-{point.name}")
    inventory = folder / "hosts.yml"
    cut = runs.cut_off(folder, "killed", inventory, moment, point.what)
    see(cut.status != 0, "The run ended well though it was killed.")
    held = checks.lease(installation)
    see(held is None or f":{cut.pid}:" in str(held["run"]), f"The lease does not name the run that was killed: {held}")
    again = runs.site(folder, "again", inventory)
    see(again.status == 0 and not again.failed, f"Killed in {cut.task}. {again.in_words()}")
    look(installation, state, version)
    if point.idempotent:
        look_again(folder)
    at = str(moment) if cut.task == moment.task else f"{moment}, in \u201c{cut.task}\u201d"
    return table.Seen(version, point.name, stage.name, point.what, at, seed, again.seconds, point.idempotent)


def chosen(wanted: argparse.Namespace) -> list[tuple[str, Point]]:
    """The points that are wanted, by version."""
    before = {(seen.version, seen.name) for seen in table.read(SEEN) if seen.seed == wanted.seed} if wanted.missing else set()
    every = [(version, point) for version in wanted.to for point in LIFTS[version]]
    return [
        (version, point)
        for version, point in every
        if (not wanted.only or point.name in wanted.only) and (version, point.name) not in before
    ]


def divided(state: State, version: str) -> dict[str, list[Step]]:
    """The tasks of a whole run by stage. Raises PointsError where nothing is killed in one of them."""
    found = points.divide(state.steps[version], points.stages(version != SOURCE), version)
    left = points.without_point(found, LIFTS[SOURCE]) if version == SOURCE else []
    if left:
        raise points.PointsError(f"Nothing is killed in {', '.join(left)}: add a point for the stage.")
    return found


def machine() -> str:
    """This machine, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB"


def write_page(seed: int, history: int) -> None:
    """Write what was seen so far."""
    order = [(version, point.name) for version, listed in LIFTS.items() for point in listed]
    well = json.loads(LEASES.read_text(encoding="utf-8")) if LEASES.exists() else []
    PAGE.write_text(table.page(table.read(SEEN), order, well, seed, history, machine()), encoding="utf-8")


def try_leases(version: str) -> list[str]:
    """Try the lease on a host that was lifted; return what is wrong."""
    folder = FOLDER / f"whole-{version}"
    image = f"updraft-kills:lifted-{version}"
    if not containers.exists("image", image):
        return ["There is no lifted host."]
    installation = containers.start(image)
    wrong, well = [], []
    for case, test in leases.CASES.items():
        with Progress(f"Lease: {case}"):
            found = test(installation, folder, folder / "hosts.yml")
        wrong += [f"{case}: {said}" for said in found]
        well += [] if found else [case]
        LEASES.write_text(json.dumps(well), encoding="utf-8")
    return wrong


def work(wanted: argparse.Namespace) -> list[str]:
    """Kill at all points that are wanted; return what failed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    todo = [] if wanted.leases else chosen(wanted)
    print(f"Seed {wanted.seed}, {len(todo)} points", flush=True)
    state = (State.found(wanted.rows) if wanted.keep else None) or make_fresh(wanted.rows)
    failed: list[str] = []
    for version in dict.fromkeys(version for version, _point in todo):
        if version not in state.steps or not containers.exists("image", installed(version)):
            make_installed(state, version)
            if version == SOURCE:
                containers.keep(f"updraft-kills:lifted-{version}")
        parts = {stage.name: stage for stage in points.stages(version != SOURCE)}
        by_stage = divided(state, version)
        for point in (point for of, point in todo if of == version):
            moment = points.draw(point, by_stage[point.stage], wanted.seed, version)
            try:
                with Progress(f"{version}, {point.name}: killing {point.what} {moment}"):
                    table.keep(SEEN, kill(state, version, point, parts[point.stage], moment, wanted.seed))
            except Exception as error:
                told = str(error) if isinstance(error, DemoError) else traceback.format_exc()
                failed.append(f"{version}, {point.name} ({point.what} {moment}): {told}")
                print(failed[-1], file=sys.stderr, flush=True)
            write_page(wanted.seed, wanted.rows)
    if not wanted.only:
        failed += try_leases(SOURCE)
        write_page(wanted.seed, wanted.rows)
    return failed


def clean() -> None:
    """Remove the container, its network and the images."""
    containers.remove()
    for image in (FRESH, *map(installed, LIFTS), f"updraft-kills:lifted-{SOURCE}"):
        if containers.exists("image", image):
            docker("image", "rm", "--force", image)
    if containers.exists("network", containers.NETWORK):
        docker("network", "rm", containers.NETWORK)


def main() -> int:
    """All of it."""
    wanted = arguments()
    if wanted.list:
        print(*(f"{version} {point.name}: {point.what}" for version, point in chosen(wanted)), sep="\n")
        return 0
    try:
        failed = work(wanted)
    except (DemoError, points.PointsError) as error:
        failed = [str(error)]
    finally:
        containers.remove()
        if not wanted.keep:
            clean()
    print(*failed, sep="\n", file=sys.stderr)
    print(f"{len(failed)} failed, seed {wanted.seed}; the results are in {PAGE.relative_to(CHECKOUT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
