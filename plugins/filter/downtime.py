# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long nothing ran while an installation was taken over, phase by phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PHASES = {
    "stopped": "stopping",
    "upgraded": "upgrading a copy",
    "copied": "copying",
    "migrated": "migrating",
    "switched": "switching",
    "healthy": "starting until healthy",
}
"""What ends a phase, in the order in which they follow each other, and what the phase is called."""

COPYING, VERIFYING = "copying", "verifying"


def phases(times: Mapping[str, float], draining: float, verifying: float) -> dict[str, float]:
    """Seconds per phase. Running tasks that had to end first are not counted: until then everything ran but the scheduler."""
    last = times["stopping"] + draining
    found: dict[str, float] = {}
    for moment, phase in PHASES.items():
        if moment in times:
            found[phase], last = max(times[moment] - last, 0.0), times[moment]
            if phase == COPYING:
                found |= {COPYING: max(found[COPYING] - verifying, 0.0), VERIFYING: verifying}
    return found


def downtime_lines(times: Mapping[str, Any], draining: float = 0.0, copied: Mapping[str, float] | None = None) -> list[str]:
    """What a report says of it; nothing where nothing was taken over, or it did not come to its end."""
    if "healthy" not in times:
        return []
    found = phases(times, draining, (copied or {}).get("verify", 0.0))
    listed = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in found.items())
    lines = [f"Airflow stood still for {sum(found.values()):.0f} s: {listed}."]
    if draining >= 1:
        lines.append(f"Running tasks had {draining:.0f} s to end before that, in which none began.")
    return lines


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"downtime_lines": downtime_lines}
