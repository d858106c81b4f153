"""The seed's split and the peers' folds, fixed before anything is augmented."""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

SPLITS = ("train", "validation", "test")
N_FOLDS = 5


def seed_split(table: pd.DataFrame, seed: int = 42) -> tuple[pd.Index, pd.Index, pd.Index]:
    """The seed project's split: a fifth of the rows, in file order, is held out stratified by genre, then halved likewise.

    Genres with a single held-out story cannot be halved: these stories are halved together.

    Returns:
        Index labels of the train, validation and test rows, in the order in which scikit-learn gives them.
    """
    genres = table["genre"]
    train, held_out = train_test_split(table.index, test_size=0.2, stratify=genres, random_state=seed)
    sizes = genres[held_out].value_counts()
    strata = genres[held_out].where(genres[held_out].map(sizes) >= 2, "")
    if (strata == "").sum() == 1:
        strata = strata.replace("", sizes.index[0])
    stratify = strata if strata.nunique() <= len(held_out) // 2 else None
    validation, test = train_test_split(held_out, test_size=0.5, stratify=stratify, random_state=seed)
    return train, validation, test


def add_split_and_folds(table: pd.DataFrame, seed: int = 42) -> tuple[pd.DataFrame, list[str]]:
    """Add the columns `split` (train, validation, test; see `seed_split`) and `fold` (0 to 4).

    The folds are `StratifiedKFold(5, shuffle=True)` with the same seed, as the strongest public peers use them.

    Returns:
        The table with both columns, and one sentence for each repair.

    Raises:
        ValueError: some genre has fewer stories than there are folds; the message names them.
    """
    sizes = table["genre"].value_counts()
    small = sizes[sizes < N_FOLDS]
    if len(sizes) < 2:
        raise ValueError(f"There is only one genre ({sizes.index[0]}): nothing to tell apart.")
    if len(small):
        named = ", ".join(f"{genre[:60]} ({count})" for genre, count in small.head(8).items())
        most = "Most labels occur once or twice: does LABEL_COLUMN name the right column? " if sizes.median() < 3 else ""
        raise ValueError(
            f"{len(small)} genres have fewer than {N_FOLDS} stories and cannot be split: {named}. {most}"
            "Add stories, merge these genres into others, or leave them out."
        )
    notes = []
    table = table.copy()
    train, validation, test = seed_split(table, seed)
    lacking = {
        part: len(sizes) - table.loc[rows, "genre"].nunique() for part, rows in (("validation", validation), ("test", test))
    }
    if any(lacking.values()):
        without = " and ".join(f"{part} has none of {count} genres" for part, count in lacking.items() if count)
        notes.append(f"genres with a single held-out story are halved without regard to genre, so {without}")
    table["split"] = pd.Series("train", index=train).reindex(table.index)
    table.loc[validation, "split"], table.loc[test, "split"] = "validation", "test"
    table["fold"] = -1
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    for fold, (_, judged) in enumerate(folds.split(table, table["genre"])):
        table.loc[table.index[judged], "fold"] = fold
    return table, notes
