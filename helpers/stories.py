"""The stories: load, validate, audit, clean, split, fold and chunk them.

A story table is a pandas DataFrame with one row a story and the columns `story_id` (str), `title` (str, may be empty),
`genre` (str) and `text` (str, as published). `01_clean` adds `text_clean`, `split` and `fold`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

from helpers.config import DATA
from helpers.runtime import Run, write_json

HUB_DATASET = "FareedKhan/1k_stories_100_genre"
SAMPLE_CSV = DATA / "sample_stories.csv"
TABLE = "stories.parquet"
FACTS = "stories.json"
SPLITS = ("train", "validation", "test")
N_FOLDS = 5

FAMILIES = {
    "Alternate worlds": (
        "Alternate Dimension, Alternate History, Alternate Reality, Multiverse, Quantum Fiction, Time Travel, Time-Loop, "
        "Virtual Reality"
    ),
    "Animals": "Animal Fantasy, Animal Fiction",
    "Apocalypse": "Apocalyptic, Apocalyptic Comedy, Post-Apocalyptic, Disaster, Survival, Environmental",
    "Comedy": (
        "Comedy, Humor, Mystery Comedy, Noir Comedy, Philosophical Comedy, Supernatural Comedy, War Comedy, Satire, Political Satire"
    ),
    "Crime and thriller": (
        "Crime, Detective Fiction, Noir, Mystery, Medical Mystery, Techno-Mystery, Mystery Thriller, Thriller, "
        "Techno-Thriller, Technological Thriller, Psychological Thriller, Espionage, Spy Fiction"
    ),
    "Fantasy": (
        "Fairy Tale, Folklore, Mythology, Mythic Fiction, Fantasy, Romantic Fantasy, Urban Fantasy, Magical Girl, Magical Realism, "
        "Steampunk, Steampunk Fantasy, Superhero"
    ),
    "Horror and the supernatural": "Gothic, Horror, Psychological Horror, Paranormal, Supernatural Drama",
    "Science fiction": (
        "Science Fiction, Hard Science Fiction, Soft Science Fiction, Artificial Intelligence, Cyberpunk, Dystopian, Utopian, "
        "Evolutionary Fiction, Futuristic"
    ),
    "Space": "Space Exploration, Space Opera, Space Thriller, Space Western",
    "History and adventure": (
        "Adventure, Historical Adventure, Historical Fiction, Historical Romance, Regency Romance, Biographical, "
        "Nautical Fiction, Western, War, Military Fiction"
    ),
    "Drama": (
        "Artistic Drama, Coming-of-Age, Coming-of-Middle-Age, Domestic Fiction, Existential Drama, Family Drama, Generation Gap, "
        "Legal Drama, Medical Drama, Political Drama, Suburban Drama, Workplace Drama, Slice of Life, Social Commentary, Sports"
    ),
    "Ideas and forms": "Anthology, Dreamlike, Experimental, Inspirational, Philosophical Fiction, Religious Fiction",
}
FAMILIES = {family: names.split(", ") for family, names in FAMILIES.items()}
"""Genres that a reader would shelve together; the seed's overlap families and, in the same spirit, all the others."""

_FAMILY_OF = {genre: family for family, genres in FAMILIES.items() for genre in genres}


def family_of(genre: str) -> str:
    """Family of a genre; `Other` for genres of other datasets."""
    return _FAMILY_OF.get(genre, "Other")


def by_family(genres) -> list[str]:
    """Genres ordered family by family, as figures show them; unknown ones last, by name."""
    order = {genre: place for place, genre in enumerate(_FAMILY_OF)}
    return sorted(set(genres), key=lambda genre: (order.get(genre, len(order)), genre))


# --- loading ---------------------------------------------------------------------------------------------------------


def load_stories(run: Run, csv: str | None = None, genres: int | None = None) -> tuple[pd.DataFrame, dict]:
    """Load and validate the stories that the profile asks for.

    The smoke profile takes the embedded sample. The others take, in this order, `csv` or the environment variable
    `STORIES_CSV`, the dataset on the Hugging Face Hub, or, said loudly, the embedded sample.

    Args:
        run: the running notebook.
        csv: path of a CSV file with a text column (`story` or `text`) and a label column (`genre` or `label`); `id` and
            `title` are used when present.
        genres: keep only the first so many genres, by name; None for all, of the embedded sample for as many as the profile says.

    Returns:
        The table, and its facts: `source`, `sha256`, `rows`, `genres`, `notes` (every repair that was made).

    Raises:
        FileNotFoundError: `csv` does not exist.
        ValueError: the file is not a story table; the message says what is missing and where.
    """
    csv = csv or os.environ.get("STORIES_CSV") or None
    if csv:
        raw, source = read_csv(Path(csv)), Path(csv).name
    elif run.profile.dataset == "sample":
        raw, source, genres = read_csv(SAMPLE_CSV), "embedded sample", genres or run.profile.genres
    else:
        raw, source = _from_hub()
    table, notes = validate(raw)
    if genres:
        table = table[table["genre"].isin(sorted(table["genre"].unique())[:genres])].reset_index(drop=True)
        notes.append(f"only the first {genres} genres are kept, as asked")
    facts = {
        "source": source,
        "sha256": table_hash(table),
        "rows": len(table),
        "genres": int(table["genre"].nunique()),
        "notes": notes,
    }
    return table, facts


def _from_hub() -> tuple[pd.DataFrame, str]:
    from helpers.models import hub_answers

    if hub_answers():
        from datasets import load_dataset

        # Only the CSV: the repository also holds a pickle of genre names, which nobody needs and nobody should load.
        rows = load_dataset(HUB_DATASET, data_files="*.csv", split="train")
        return rows.to_pandas(), f"Hub: {HUB_DATASET}"
    print("*" * 100)
    print(f"The Hub does not answer, so {HUB_DATASET} cannot be loaded: this run uses the EMBEDDED SAMPLE instead.")
    print("Its figures say nothing about the real dataset. Set STORIES_CSV to a local copy to use that.")
    print("*" * 100)
    return read_csv(SAMPLE_CSV), "embedded sample"


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file as strings.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not UTF-8, or not a CSV; the message says where.
    """
    if not path.is_file():
        raise FileNotFoundError(f"STORIES_CSV names {path.name!r}, which is no file here. Give the path of a CSV file.")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path.name} is not UTF-8: byte 0x{content[error.start]:02x} at position {error.start}, line {line}. "
            "Save it again as 'CSV UTF-8'."
        ) from None
    try:
        return pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name} cannot be read as CSV: {error}. Is a quotation mark left open?") from None


def validate(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Turn a raw table into a story table; every repair is noted, none is silent.

    Args:
        raw: any table with a text (`story`, `text`) and a label (`genre`, `label`); `id` and `title` are optional.

    Returns:
        The story table in the rows' order, and one sentence for each repair.

    Raises:
        ValueError: no text or no label column, or nothing left to use.
    """
    notes = []
    columns = {str(name).strip().lower(): name for name in raw.columns}
    found = {}
    for target, names in {"text": ("story", "text"), "genre": ("genre", "label")}.items():
        name = next((columns[name] for name in names if name in columns), None)
        if name is None:
            raise ValueError(
                f"The table has no {' or '.join(repr(n) for n in names)} column; it has {list(raw.columns)}. "
                "Rename the column that holds it."
            )
        found[target] = name

    def strings(column):
        return raw[column].astype("object").where(raw[column].notna(), "").astype(str)

    table = pd.DataFrame({"text": strings(found["text"]), "genre": strings(found["genre"])})
    table["title"] = strings(columns["title"]).str.strip() if "title" in columns else ""
    if "id" in columns:
        # 051039 and 51039 are one id: whoever reads the file with a type-guessing reader sees the second.
        table["story_id"] = strings(columns["id"]).str.strip().str.replace(r"^0+(?=\d+$)", "", regex=True)
    else:
        table["story_id"] = [str(number) for number in range(1, len(table) + 1)]
        notes.append("there is no 'id' column: rows are numbered from 1")
    table["text"] = table["text"].str.replace("\r\n", "\n")

    stripped = table["genre"].str.split().str.join(" ")
    if changed := int((stripped != table["genre"]).sum()):
        notes.append(f"{changed} genre names had stray spaces, which were removed")
    table["genre"] = stripped
    for column, what in (("text", "no text"), ("genre", "no genre")):
        empty = table[column].str.strip() == ""
        if empty.any():
            rows = ", ".join(str(row + 2) for row in np.flatnonzero(empty)[:10])
            notes.append(f"{int(empty.sum())} rows with {what} were left out (table rows {rows})")
            table, raw = table[~empty], raw[~empty.to_numpy()]
    if table.empty:
        raise ValueError("No row has both a text and a genre: there is nothing to classify.")
    missing = table["story_id"] == ""
    repeated = table["story_id"].duplicated()
    if missing.any() or repeated.any():
        taken, ids = set(table["story_id"]), []
        seen: set[str] = set()
        for story_id in table["story_id"]:
            name, count = story_id or "row", 1
            while (name in seen) or (count > 1 and name in taken) or name == "row":
                count += 1
                name = f"{story_id or 'row'}-{count}"
            seen.add(name)
            ids.append(name)
        examples = ", ".join(sorted(set(table["story_id"][repeated & ~missing]))[:5])
        notes.append(
            f"{int((missing | repeated).sum())} ids were missing or repeated ({examples}) and got a suffix: -2, -3, ..."
        )
        table["story_id"] = ids
    return table[["story_id", "title", "genre", "text"]].reset_index(drop=True), notes


def table_hash(table: pd.DataFrame) -> str:
    """SHA-256 over ids, genres and texts in order: the same for a CSV, the Hub and any platform's line ends."""
    digest = hashlib.sha256()
    for row in table.itertuples():
        digest.update(f"{row.story_id}\t{row.genre}\t{row.title}\t{row.text}\n".encode())
    return digest.hexdigest()


def ids_hash(ids) -> str:
    """First 16 hex digits of the SHA-256 of the comma-joined ids, to pin a split."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:16]


# --- looking at them -------------------------------------------------------------------------------------------------

_CHAT_MARK = re.compile(
    r"<\|im_(?:start|end)\|>|\[/?INST\]|<\|(?:user|assistant|system)\|>|<start_of_turn>|^### ?Instruction", re.M
)


def find_prompts(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that are a prompt to a language model rather than a story: they open with a chat template.

    A single mark of such a template further on is a blemish in a story (`find_stray_marks`), not a prompt.
    """
    return table[table["text"].str[:40].str.contains(_CHAT_MARK)]


def find_stray_marks(table: pd.DataFrame) -> pd.DataFrame:
    """Stories in which a chat template's mark was left behind."""
    marked = table[table["text"].str.contains(_CHAT_MARK)]
    return marked.drop(index=find_prompts(table).index)


def audit(table: pd.DataFrame) -> pd.DataFrame:
    """What a careful reader would check first, as a table of findings.

    Returns:
        DataFrame with the columns `finding` and `value` (str).
    """
    words = table["text"].str.split().str.len()
    sizes = table["genre"].value_counts()
    prompts = find_prompts(table)
    short = table[words < 200]
    rows = [
        ("stories", f"{len(table):,}"),
        ("different genres", f"{len(sizes)}"),
        ("stories per genre", _sizes(sizes)),
        (
            "words per story, median (5 % to 95 %)",
            f"{words.median():.0f} ({words.quantile(0.05):.0f} to {words.quantile(0.95):.0f})",
        ),
        ("stories under 200 words", f"{len(short)} in {short['genre'].nunique()} genres"),
        ("stories without a title", f"{int((table['title'] == '').sum())}"),
        ("repeated story texts", f"{int(table['text'].duplicated().sum())}"),
        ("rows that hold a prompt, no story", _name_rows(prompts)),
        ("stories with a stray chat mark", _name_rows(find_stray_marks(table))),
    ]
    return pd.DataFrame(rows, columns=["finding", "value"])


def _sizes(sizes: pd.Series) -> str:
    counts = sizes.value_counts()
    if len(counts) > 3:
        return f"{sizes.min()} to {sizes.max()}, median {sizes.median():.0f}"
    return ", ".join(f"{size} in {n} genre{'s' * (n > 1)}" for size, n in counts.items())


def _name_rows(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "0"
    return f"{len(rows)}: " + ", ".join(f"{row.story_id} ({row.genre})" for row in rows.head(5).itertuples())


# --- cleaning --------------------------------------------------------------------------------------------------------

_URL = re.compile(r"https?://\S+|www\.\S+")
_APOSTROPHE = re.compile(r"['\u2018\u2019\u02bc]")
_SPECIAL = re.compile(r"[^\w\s]|_")


def clean_text(text: str) -> str:
    """The seed's cleaning: lower case, no URLs, no special characters, single spaces.

    Apostrophes close up (`don't` becomes `dont`); every other special character separates words.
    """
    text = _URL.sub(" ", text.lower())
    return " ".join(_SPECIAL.sub(" ", _APOSTROPHE.sub("", text)).split())


# --- splitting -------------------------------------------------------------------------------------------------------


def seed_split(table: pd.DataFrame, seed: int = 42) -> tuple[pd.Index, pd.Index, pd.Index]:
    """The seed project's split: a fifth of the rows, in file order, is held out stratified by genre, then halved likewise.

    Where some genre has a single held-out story, the halving cannot be stratified and is not.

    Returns:
        Index labels of the train, validation and test rows, in the order in which scikit-learn gives them.
    """
    genres = table["genre"]
    train, held_out = train_test_split(table.index, test_size=0.2, stratify=genres, random_state=seed)
    sizes = genres[held_out].value_counts()
    stratify = genres[held_out] if sizes.min() >= 2 and len(sizes) == genres.nunique() else None
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
        named = ", ".join(f"{genre} ({count})" for genre, count in small.head(8).items())
        raise ValueError(
            f"{len(small)} genres have fewer than {N_FOLDS} stories and cannot be split: {named}. "
            "Add stories, merge these genres into others, or leave them out."
        )
    notes = []
    table = table.copy()
    train, validation, test = seed_split(table, seed)
    if table.loc[test, "genre"].nunique() < len(sizes):
        notes.append("some genres have too few held-out stories: validation and test are halved without regard to genre")
    table["split"] = pd.Series("train", index=train).reindex(table.index)
    table.loc[validation, "split"], table.loc[test, "split"] = "validation", "test"
    table["fold"] = -1
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    for fold, (_, judged) in enumerate(folds.split(table, table["genre"])):
        table.loc[table.index[judged], "fold"] = fold
    return table, notes


def chunk_stories(table: pd.DataFrame, size: int = 2000, overlap: int = 50, column: str = "text") -> pd.DataFrame:
    """Cut stories into chunks, the seed's first attempt at more training examples.

    Args:
        table: story table.
        size, overlap: in characters; separators are tried from paragraphs down to words.
        column: which text to cut.

    Returns:
        One row a chunk: the story's columns with `text` replaced, `source` (`chunk`) and `parent_id`.
    """
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=overlap)
    rows = []
    for row in table.to_dict("records"):
        for number, chunk in enumerate(splitter.split_text(row[column]), 1):
            rows.append(
                row
                | {"story_id": f"{row['story_id']}-c{number}", "text": chunk, "source": "chunk", "parent_id": row["story_id"]}
            )
    chunks = pd.DataFrame(rows)
    chunks["text_clean"] = chunks["text"].map(clean_text)
    return chunks


# --- in the workspace ------------------------------------------------------------------------------------------------


def save_stories(run: Run, table: pd.DataFrame, facts: dict) -> None:
    """Write the finished table and its facts; the work on an earlier, different dataset is set aside, not overwritten."""
    old = run.workspace / FACTS
    if old.exists():
        before = json.loads(old.read_text(encoding="utf-8"))["sha256"]
        if before != facts["sha256"]:
            aside = run.workspace / f"earlier-{before[:8]}"
            aside.mkdir(exist_ok=True)
            for path in run.workspace.iterdir():
                if not path.name.startswith(("earlier-", "notebooks", "models")):
                    path.rename(aside / path.name)
            print(f"This workspace held another dataset ({before[:8]}); its files were moved to {aside.name}/.")
    temporary = run.workspace / (TABLE + ".part")
    table.to_parquet(temporary, index=False)
    os.replace(temporary, run.workspace / TABLE)
    write_json(old, facts)


def read_stories(run: Run) -> tuple[pd.DataFrame, dict]:
    """The table that `01_clean` wrote, and its facts.

    Raises:
        FileNotFoundError: `01_clean` has not been run in this workspace.
    """
    table = pd.read_parquet(run.require(TABLE, "01_clean"))
    facts = json.loads(run.require(FACTS, "01_clean").read_text(encoding="utf-8"))
    print(f"{len(table):,} stories, {table['genre'].nunique()} genres, from {facts['source']} (sha256 {facts['sha256'][:8]})")
    return table, facts
