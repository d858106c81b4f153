"""The README's tables and its figure, written from the results that are shipped: `python -m helpers.comparison.readme` (`make tables`).

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; everything else is left as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from PIL import Image

from helpers.comparison import charts
from helpers.comparison.drawing import as_png
from helpers.comparison.paired import compare_all
from helpers.comparison.rendering import to_markdown
from helpers.comparison.store import MANIFEST, SHIPPED, Store, load_results
from helpers.comparison.tables import answer_table, of_protocol, published_beside
from helpers.config import PROJECT

FIGURE = "images/leaderboard.png"
TABLES = {"answer": answer_table}
"""Functions of a store and its results, by the name of the table."""
_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def shipped_results(profile: str, shipped: Path = SHIPPED) -> tuple[Store, list[dict]]:
    """The store that the project ships for a profile, and its results.

    Raises:
        FileNotFoundError: it ships none.
    """
    folder = shipped / profile
    if not (folder / MANIFEST).exists():
        raise FileNotFoundError(
            f"data/results/{profile} holds no results; make publish PROFILE={profile} copies a workspace's there."
        )
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    store = Store(folder, profile, manifest["dataset"], shipped=True)
    return store, load_results(store)[0]


def figures_shown(store: Store, results: list[dict]) -> str:
    """What the figure shows, as text: written into its file, so that a test can tell whether it is that of the store."""
    shown = [(r["approach"], r["protocol"], round(r["metrics"]["accuracy"], 4)) for r in of_protocol(results)]
    return json.dumps([store.dataset["sha256"], shown])


def write_figure(picture: Path, profile: str, shipped: Path = SHIPPED) -> bool:
    """Draw the README's figure anew, unless it shows these results already; returns whether it was drawn."""
    store, results = shipped_results(profile, shipped)
    shown = figures_shown(store, results)
    if picture.exists() and Image.open(picture).info.get("results") == shown:
        return False
    judged = of_protocol(results)
    drawn, _ = charts.forest(judged, compare_all(judged), published_beside(judged, store.dataset))
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(as_png(drawn, results=shown)[0])
    return True


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
    store, results = shipped_results(profile, shipped)
    text, changed = page.read_text(encoding="utf-8"), []

    def written(found: re.Match) -> str:
        table = f"{found[1]}{to_markdown(TABLES[found[2]](store, results))}\n{found[3]}"
        if table != found[0]:
            changed.append(found[2])
        return table

    page.write_text(_PLACE.sub(written, text), encoding="utf-8")
    return changed


def main() -> None:
    """Write the README's tables and its figure, and say what changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="cpu")
    profile = parser.parse_args().profile
    changed = write_tables(PROJECT / "README.md", profile)
    print(f"README.md: {', '.join(changed) or 'no'} table{'s' * (len(changed) != 1)} changed")
    if write_figure(PROJECT / FIGURE, profile):
        print(f"{FIGURE} drawn")


if __name__ == "__main__":
    main()
