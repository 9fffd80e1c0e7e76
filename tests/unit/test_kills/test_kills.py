# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill test itself: its points, what a seed draws, who is killed, and the page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kills import __main__ as kills
from kills import points, runs, table
from kills.points import ALL, GROUP, MIGRATE, MODULE, POINTS, POINTS_2_TO_3, Moment, Point, PointsError, Stage, Step, stages

KILL_PROCESS = Path(runs.__file__).parent / "on_host" / "kill_process.py"
STEPS = [Step("a", 1, 2.0), Step("b", 1, 0.0), Step("a", 2, 6.0)]
PARTS = (Stage("one", "Begin {version}", points.Image.FRESH), Stage("two", "Go on", points.Image.INSTALLED, True))


def test_there_are_as_many_points_as_are_promised() -> None:
    inside = {stage.name for stage in stages(True) if stage.inside}
    assert len(POINTS) + len(POINTS_2_TO_3) >= kills.LEAST_POINTS <= len(POINTS)
    assert sum(point.stage in inside for point in POINTS) >= kills.LEAST_INSIDE
    assert {point.what for point in (*POINTS, *POINTS_2_TO_3)} == {GROUP, ALL, MODULE, MIGRATE}


@pytest.mark.parametrize("listed", [POINTS, POINTS_2_TO_3])
def test_points_have_names_of_their_own_and_stages_that_exist(listed: tuple[Point, ...]) -> None:
    assert len({point.name for point in listed}) == len(listed)
    assert {point.stage for point in listed} <= {stage.name for stage in stages(listed is POINTS_2_TO_3)}


def test_there_is_a_point_in_every_stage() -> None:
    assert {stage.name for stage in stages(False)} == {point.stage for point in POINTS}
    assert {stage.name for stage in points.MIGRATING} <= {point.stage for point in POINTS_2_TO_3}


def test_every_task_belongs_to_the_stage_that_began_last() -> None:
    steps = [Step(name, 1, 1.0) for name in ("Begin 3", "x", "Go on", "y", "Begin 3")]
    found = points.divide(steps, PARTS, "3")
    assert {name: [step.name for step in part] for name, part in found.items()} == {
        "one": ["Begin 3", "x"],
        "two": ["Go on", "y", "Begin 3"],
    }
    assert points.without_point(found, [Point("one", GROUP)]) == ["Go on", "y", "Begin 3"]
    assert points.without_point(found, [Point("one", GROUP), Point("two", ALL)]) == []


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Begin 3", "x"], "The stage \u201ctwo\u201d has no task \u201cGo on\u201d in its place"),
        (["Go on", "Begin 3"], "The stage \u201ctwo\u201d has no task"),
        (["new", "Begin 3", "Go on"], "No stage is there for new: let one begin earlier."),
    ],
)
def test_a_run_with_other_tasks_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(PointsError, match=said):
        points.divide([Step(name, 1, 1.0) for name in names], PARTS, "3")


@pytest.mark.parametrize("seed", range(50))
def test_a_moment_is_in_the_points_share_of_the_time(seed: int) -> None:
    first, second = points.several("one", GROUP, ALL)
    early, late = points.draw(first, STEPS, seed), points.draw(second, STEPS, seed)
    assert (early.task, late) == ("a", Moment("a", 2, late.delay)) and 2.0 <= late.delay < 6.0
    assert 0.0 <= early.delay < 2.0 + (early.occurrence - 1) * 2.0
    assert points.draw(first, STEPS, seed) == early


def test_another_seed_draws_another_moment() -> None:
    (point,) = points.several("one", GROUP)
    assert len({points.draw(point, STEPS, seed) for seed in range(20)}) == 20


def test_what_runs_on_the_host_is_killed_in_its_own_task() -> None:
    point = Point("one", MIGRATE, task="Migrate to {version}")
    moment = points.draw(point, [*STEPS, Step("Migrate to 3", 1, 4.0)], 1, "3")
    assert moment.task == "Migrate to 3" and 0 <= moment.delay < 2
    with pytest.raises(PointsError, match="has no task \u201cMigrate to 3\u201d"):
        points.draw(point, STEPS, 1, "3")


def test_the_page_says_what_is_missing(tmp_path: Path) -> None:
    place = tmp_path / "seen" / "seen.json"
    seen = table.Seen("2.11.2", "copying-1", "copying", GROUP, str(Moment("Copy", 1, 1.25)), 7, 80.4, True)
    table.keep(place, seen)
    assert table.keep(place, table.Seen(**{**vars(seen), "seconds": 90.0})) == [table.Seen(**{**vars(seen), "seconds": 90.0})]
    order = [("2.11.2", "copying-1"), ("3.3.2", "keeping")]
    page = table.page(table.read(place), order, ["two runs at once"], 7, 20000, "2 cores")
    assert '| 2.11.2 | copying | the controller\'s process group | 1.2 s after the start of "Copy" | 90 | changed nothing |\n' in page
    assert "\nNot in the table, for they were not run, or did not what the test demands: keeping (3.3.2).\n" in page
    assert "20,000" in page and "\n- two runs at once\n" in page
    # Of another seed, nothing was seen.
    assert "copying-1 (2.11.2); keeping (3.3.2)" in table.page(table.read(place), order, [], 8, 20000, "2 cores")


def test_steps_are_as_long_as_until_the_next_begins(tmp_path: Path) -> None:
    lines = [{"name": name, "occurrence": 1, "at": at} for name, at in (("a", 10.0), ("b", 12.5), ("", 13.0))]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "site.steps").write_text(text)
    assert runs.steps(tmp_path, "site") == [Step("a", 1, 2.5), Step("b", 1, 0.5)]
    (tmp_path / "site.steps").write_text(text + '{"name": "c')
    assert runs.begun(tmp_path, "site")[-1] == ("", 1, 13.0)
    assert runs.begun(tmp_path, "other") == []


PARENT = """\
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def is_there(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    place = Path(f"/proc/{pid}/stat")
    try:
        return place.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("what", "outlives"), [(GROUP, True), (ALL, False)])
def test_who_is_killed_with_the_controller(what: str, outlives: bool) -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert runs.descendants(process.pid) == [child]
    runs.kill_controller(process, what)
    assert process.wait(10) == -signal.SIGKILL
    process.stdout.close()
    deadline = time.monotonic() + 10
    while not outlives and is_there(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_there(child) is outlives
    if outlives:
        subprocess.run(["kill", "-9", str(child)], check=True)


def test_a_process_is_killed_by_its_command_line() -> None:
    waiting = [sys.executable, "-c", "import time; time.sleep(600)", "a word of this test"]
    with subprocess.Popen(waiting) as meant, subprocess.Popen([*waiting, "wrapper"]) as other:
        words = [sys.executable, str(KILL_PROCESS), "10", "0", "time.sleep(600)", "a word of this test", "--", "wrapper"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout.strip().endswith("a word of this test")
        assert meant.wait(10) == -signal.SIGKILL and other.poll() is None
        words[2] = "0"
        assert subprocess.run(words, capture_output=True, text=True, check=False).returncode == 1
        other.kill()
