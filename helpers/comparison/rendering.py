"""Figures and tables for people: `72.5 %` and not `0.725`, minutes and not `3.35e+03`; a table as Markdown or HTML.

A cell may hold `**text**`, which both forms show in bold.
"""

from __future__ import annotations

import html
import re

import pandas as pd

_NUMBER = re.compile(r"^[\s*~<+−–-]*\d|^[\s*]*$|^not ")


def percent(share: float, digits: int = 1) -> str:
    """`72.5 %`."""
    return f"{100 * share:.{digits}f} %"


def points(difference: float, digits: int = 1) -> str:
    """A difference of two shares: `+2.4`, in percentage points."""
    return f"{100 * difference:+.{digits}f}".replace("-", "−")


def chance(p: float) -> str:
    """A p value: `0.0412`, `< 0.0001`."""
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"


def number(value: float) -> str:
    """Three significant digits, thousands with commas: `0.26`, `39`, `3,350`."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"


def duration(seconds: float) -> str:
    """`0.3 s`, `18 s`, `4 min`, `3.8 h`: as exact as a reader needs."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{max(seconds, 0.1):.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _is_numeric(column: pd.Series) -> bool:
    return len(column) > 0 and all(_NUMBER.match(str(cell)) for cell in column)


def to_markdown(table: pd.DataFrame) -> str:
    """A table of strings as Markdown; columns of numbers are aligned right."""
    cells = table.astype(str).map(lambda cell: cell.replace("|", "\\|"))
    rules = ["---:" if _is_numeric(table[name]) else "---" for name in table]
    lines = [[str(name) for name in table], rules, *cells.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def to_html(table: pd.DataFrame, wide: bool = False, folded: str = "") -> str:
    """A table of strings as HTML that reads the same with and without style sheets (GitHub drops them).

    Args:
        table: every cell a string.
        wide: the table may be wider than the page, and gets a box of its own to be moved in.
        folded: a line to click on, behind which the table is; empty to show it at once.
    """
    right = [_is_numeric(table[name]) for name in table]

    def row(cells, tag: str) -> str:
        parts = []
        for name, cell, numeric in zip(table, cells, right):
            text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(str(cell))).replace(" %", "\u00a0%")
            align = ' align="right"' if numeric else ' align="left"'
            scope = ' scope="col"' if tag == "th" else f' data-label="{html.escape(str(name))}"'
            parts.append(f"<{tag}{align}{scope}>{text}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    kind = "wide" if wide else "cards" if table.shape[1] > 5 else "plain"
    head = row(table.columns, "th")
    body = "\n".join(row(cells, "td") for cells in table.to_numpy())
    box = f'<div class="table {kind}"><table><thead>{head}</thead>\n<tbody>\n{body}\n</tbody></table></div>'
    return f"<details><summary>{html.escape(folded)}</summary>{box}</details>" if folded else box
