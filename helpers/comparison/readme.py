"""The README's tables, written from the results that are shipped: `python -m helpers.comparison.readme` (`make tables`).

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; everything else is left as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from helpers.comparison.rendering import to_markdown
from helpers.comparison.store import MANIFEST, SHIPPED, Store, load_results
from helpers.comparison.tables import answer_table
from helpers.config import PROJECT

TABLES = {"answer": answer_table}
"""Functions of a store and its results, by the name of the table."""
_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write_tables(page: Path, profile: str, shipped: Path = SHIPPED) -> list[str]:
    """Write the tables of a Markdown page anew; returns the names of those that changed.

    Args:
        page: a Markdown file.
        profile: whose shipped results are shown.
        shipped: folder with a folder a profile.

    Raises:
        FileNotFoundError: the project ships no results of this profile.
        KeyError: the page asks for a table that does not exist.
    """
    folder = shipped / profile
    if not (folder / MANIFEST).exists():
        raise FileNotFoundError(
            f"data/results/{profile} holds no results; make publish PROFILE={profile} copies a workspace's there."
        )
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    store = Store(folder, profile, manifest["dataset"], shipped=True)
    results, _ = load_results(store)
    text, changed = page.read_text(encoding="utf-8"), []

    def written(found: re.Match) -> str:
        table = f"{found[1]}{to_markdown(TABLES[found[2]](store, results))}\n{found[3]}"
        if table != found[0]:
            changed.append(found[2])
        return table

    page.write_text(_PLACE.sub(written, text), encoding="utf-8")
    return changed


def main() -> None:
    """Write the README's tables, and say which changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="cpu")
    changed = write_tables(PROJECT / "README.md", parser.parse_args().profile)
    print(f"README.md: {', '.join(changed) or 'no'} table{'s' * (len(changed) != 1)} changed")


if __name__ == "__main__":
    main()
