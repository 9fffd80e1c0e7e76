# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page of a status looks, in light and dark, on a wide and on a narrow screen."""

from __future__ import annotations

NARROW = 720
"""Pixels: below, tables become lists, and the picture is drawn two boxes wide."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --line: #d5dae1; --text: #1a2129; --soft: #566270; --band: #eef1f5;
  --good: #1a7f45; --warn: #a15c00; --bad: #c62430; --idle: #5d6875; --on: #ffffff;
  --good-soft: #e6f4ec; --warn-soft: #fdf1de; --bad-soft: #fcebec; --idle-soft: #eef0f3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161b; --card: #1b2128; --line: #38424d; --text: #e8ecf1; --soft: #a3afbc; --band: #20272f;
    --good: #4cc581; --warn: #f0ac4c; --bad: #ff7b80; --idle: #9aa7b5; --on: #12161b;
    --good-soft: #16301f; --warn-soft: #35270f; --bad-soft: #3a191c; --idle-soft: #262e37;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 20px 16px 48px; }
h1 { font-size: 22px; line-height: 1.3; margin: 0; }
h2 { font-size: 17px; margin: 32px 0 10px; }
p { margin: 4px 0; }
a { color: inherit; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.verdict { display: flex; gap: 14px; align-items: center; border-left: 6px solid var(--tone); }
.verdict svg { flex: none; width: 38px; height: 38px; }
.healthy { --tone: var(--good); } .degraded { --tone: var(--warn); } .failing { --tone: var(--bad); }
.problems { list-style: none; margin: 12px 0 0; padding: 0; display: grid; gap: 8px; }
.problems li { display: flex; gap: 10px; align-items: flex-start; padding: 9px 12px; border-radius: 8px; overflow-wrap: anywhere; }
.problems .word { flex: none; font-weight: 650; min-width: 78px; }
.problems .failing, .problems .problem { background: var(--bad-soft); } .problems .notice { background: var(--idle-soft); }
.problems .failing .word, .problems .problem .word { color: var(--bad); } .problems .notice .word { color: var(--idle); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 10px; margin-top: 12px; }
.tiles .card { padding: 10px 14px; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 2px 0 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; padding: 0; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-size: 13px; font-weight: 600; color: var(--soft); }
th, td { padding: 7px 12px; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.state { display: inline-flex; gap: 6px; align-items: center; white-space: nowrap; }
.state svg { width: 16px; height: 16px; flex: none; }
.hosts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr)); gap: 10px; align-items: start; }
.hosts .card { padding: 10px 14px; }
.hosts h3 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
.hosts ul { list-style: none; margin: 6px 0; padding: 0; }
.hosts li { display: grid; grid-template-columns: 20px 1fr auto; gap: 0 6px; align-items: center; padding: 1px 0; }
.hosts li svg { width: 16px; height: 16px; }
.hosts li .soft { text-align: right; font-size: 13px; font-variant-numeric: tabular-nums; }
.hosts li .wrong { grid-column: 2 / 4; color: var(--bad); font-size: 13.5px; }
.hosts p { font-size: 13px; margin: 2px 0; }
.hosts .lost { border: 2px dashed var(--bad); }
.picture { padding: 6px; text-align: center; }
.wide > svg, .narrow > svg { display: block; width: 100%; height: auto; margin: 0 auto; }
.narrow { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; justify-content: center; padding: 6px 0 8px; font-size: 13px; }
svg text { font-family: inherit; fill: var(--text); }
svg .band { fill: var(--band); stroke: var(--line); }
svg .box { fill: var(--card); stroke: var(--line); stroke-width: 1.3; }
svg .box.bad { stroke: var(--bad); stroke-width: 2; }
svg .box.warn { stroke: var(--warn); stroke-width: 2; }
svg .box.idle { stroke: var(--idle); }
svg .box.lost { stroke-dasharray: 6 4; fill: var(--bad-soft); }
svg .caption { font-size: 12.5px; font-weight: 600; fill: var(--soft); }
svg .name { font-size: 13.5px; font-weight: 650; } svg .row { font-size: 12.5px; } svg .detail { font-size: 12px; fill: var(--soft); }
svg .label { font-size: 12.5px; fill: var(--soft); }
svg .flow { fill: none; stroke: var(--soft); stroke-width: 1.6; } svg .flow.broken { stroke: var(--bad); stroke-dasharray: 4 4; }
svg .head { fill: var(--soft); }
.sign.good { fill: var(--good); } .sign.warn { fill: var(--warn); } .sign.bad { fill: var(--bad); } .sign.idle { fill: var(--idle); }
.sign .mark { fill: none; stroke: var(--on); stroke-width: 1.9; stroke-linecap: round; stroke-linejoin: round; }
footer { margin-top: 28px; font-size: 13px; color: var(--soft); }
@media (max-width: 720px) {
  main { padding: 12px 10px 32px; }
  h1 { font-size: 19px; }
  .wide { display: none; } .narrow { display: block; }
  .problems li { flex-direction: column; gap: 2px; }
  thead { display: none; }
  table, tbody, tr, td { display: block; width: 100%; }
  tr { padding: 8px 12px; border-bottom: 1px solid var(--line); } tr:last-child { border-bottom: 0; }
  td { border: 0; padding: 2px 0; display: flex; gap: 10px; overflow-wrap: anywhere; }
  td::before { content: attr(data-name); flex: none; width: 96px; color: var(--soft); font-size: 13px; }
  td:empty { display: none; }
  td.first { font-weight: 650; } td.first::before { display: none; }
}
@media print { body { background: #fff; } .card { break-inside: avoid; } }
"""
