"""The table that everything else trusts.

Written for: two public projects judged on rows that were no stories, one lost the leading zeros of ids and so could not match two
files, and the seed's split could be reproduced from the file order only.
"""

import io

import pandas as pd
import pytest

from helpers import stories

SEED_SPLIT = {"train": "f2ebce84a2b8bb3c", "validation": "ea6ec581e4aa24e5", "test": "7e508f88f606cc65"}
FOLDS = ["2829f2b292b3e4b1", "4671c8950f4854c5", "9fb3d06c28badbfb", "08c3e682c85f029b", "aa6ab94c81fd099b"]


def raw(**columns):
    return pd.DataFrame({"id": ["1", "2"], "title": ["A", "B"], "story": ["one", "two"], "genre": ["X", "Y"]} | columns)


def test_real_dataset_gives_the_seed_split_and_the_peers_folds(run, real_csv):
    table, facts = stories.load_stories(run, str(real_csv))
    parts = stories.seed_split(table)
    assert {s: stories.ids_hash(table.loc[i, "story_id"]) for s, i in zip(stories.SPLITS, parts)} == SEED_SPLIT
    table, notes = stories.add_split_and_folds(table)
    assert table["split"].value_counts().to_dict() == {"train": 800, "validation": 100, "test": 100}
    assert [stories.ids_hash(table.loc[table["fold"] == f, "story_id"]) for f in range(5)] == FOLDS
    assert (facts["rows"], facts["genres"], notes, facts["notes"]) == (1000, 99, [], [])


def test_real_dataset_has_one_prompt_and_three_stray_marks(run, real_csv):
    table, _ = stories.load_stories(run, str(real_csv))
    assert stories.find_prompts(table)["story_id"].tolist() == ["308506"]
    assert sorted(stories.find_stray_marks(table)["story_id"]) == ["216737", "421420", "865312"]


def test_sample_split_is_pinned(sample):
    assert sample["split"].value_counts().to_dict() == {"train": 192, "validation": 24, "test": 24}
    assert all(sample[sample["split"] == split]["genre"].nunique() == 24 for split in stories.SPLITS)
    assert sample.groupby("fold").size().tolist() == [48] * 5


def test_a_prompt_is_found_by_what_it_is():
    table = pd.DataFrame(
        {
            "story_id": ["1", "2", "3"],
            "text": ["<s>[INST] Write a story", "A long sentence that opens a real story. [INST] And on", "Once"],
            "genre": "X",
        }
    )
    assert stories.find_prompts(table)["story_id"].tolist() == ["1"]
    assert stories.find_stray_marks(table)["story_id"].tolist() == ["2"]


def test_missing_column_names_what_is_there():
    with pytest.raises(ValueError, match=r"no 'genre' or 'label' column.*\['story', 'kind'\]"):
        stories.validate(pd.DataFrame({"story": ["a"], "kind": ["b"]}))
    with pytest.raises(ValueError, match="no 'story' or 'text' column"):
        stories.validate(pd.DataFrame({"genre": ["a"]}))


def test_a_text_and_a_label_are_enough():
    table, notes = stories.validate(pd.DataFrame({"Text": ["one", "two"], "Label": ["X", "Y"]}))
    assert table["story_id"].tolist() == ["1", "2"] and (table["title"] == "").all()
    assert "numbered" in notes[0]


@pytest.mark.parametrize("column, what", [("story", "no text"), ("genre", "no genre")])
def test_empty_cells_are_reported_with_their_row(column, what):
    table, notes = stories.validate(raw(**{column: ["kept", "  "]}))
    assert len(table) == 1 and any(what in note and "table rows 3" in note for note in notes)


def test_nothing_left_is_an_error():
    with pytest.raises(ValueError, match="nothing to classify"):
        stories.validate(raw(story=["", " "]))


def test_repeated_and_missing_ids_become_unique_and_are_reported():
    table, notes = stories.validate(raw(id=["7", "7"]))
    assert table["story_id"].tolist() == ["7", "7-2"] and "repeated (7)" in notes[0]
    table, _ = stories.validate(raw(id=["", ""]))
    assert table["story_id"].is_unique and (table["story_id"] != "").all()
    more = pd.concat([raw(id=["7", "7-2"]), raw(id=["7", "7"])], ignore_index=True)
    assert stories.validate(more)[0]["story_id"].is_unique


def test_ids_do_not_depend_on_the_reader():
    text = "id,title,story,genre\n051039,A,one,X\n"
    strings = stories.validate(pd.read_csv(io.StringIO(text), dtype=str))[0]
    numbers = stories.validate(pd.read_csv(io.StringIO(text)))[0]
    assert strings["story_id"].tolist() == numbers["story_id"].tolist() == ["51039"]
    assert stories.table_hash(strings) == stories.table_hash(numbers)


def test_missing_or_broken_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="STORIES_CSV"):
        stories.read_csv(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="cannot be read as CSV"):
        stories.read_csv(tmp_path / "empty.csv")


def test_line_ends_and_byte_order_mark_do_not_change_the_table(tmp_path):
    for name, content in {"a.csv": b'story,genre\n"a\nb",X\n', "b.csv": b'\xef\xbb\xbfstory,genre\r\n"a\r\nb",X\r\n'}.items():
        (tmp_path / name).write_bytes(content)
    a, b = (stories.validate(stories.read_csv(tmp_path / name))[0] for name in ("a.csv", "b.csv"))
    assert stories.table_hash(a) == stories.table_hash(b)


def test_too_few_stories_are_named():
    table = pd.DataFrame({"story_id": map(str, range(12)), "genre": ["X"] * 10 + ["Rare"] * 2, "text": "t", "title": ""})
    with pytest.raises(ValueError, match=r"Rare \(2\)"):
        stories.add_split_and_folds(table)
    with pytest.raises(ValueError, match="only one genre"):
        stories.add_split_and_folds(table[table["genre"] == "X"])


def test_five_stories_a_genre_split_with_a_note():
    table = pd.DataFrame({"story_id": map(str, range(20)), "genre": ["A", "B", "C", "D"] * 5, "text": "t", "title": ""})
    table, notes = stories.add_split_and_folds(table)
    assert "without regard to genre" in notes[0]
    assert table["split"].value_counts().to_dict() == {"train": 16, "validation": 2, "test": 2}


def test_cleaning():
    dirty = "  Don’t  STOP at https://a.b/c?d=1 (or www.x.org)!\n\tIt's  50% — café_noir "
    assert stories.clean_text(dirty) == "dont stop at or its 50 café noir"


def test_chunks_keep_their_parent(sample):
    long = sample.head(2).assign(text=lambda t: t["text"] * 10)
    chunks = stories.chunk_stories(long)
    assert set(chunks["parent_id"]) == set(long["story_id"]) and chunks["text"].str.len().max() <= 2000
    assert chunks["story_id"].is_unique and len(chunks) > 4


def test_another_dataset_sets_the_first_ones_work_aside(run, sample, capsys):
    stories.save_stories(run, sample, {"sha256": "a" * 64, "source": "one"})
    (run.workspace / "results").mkdir()
    stories.save_stories(run, sample, {"sha256": "b" * 64, "source": "two"})
    assert (run.workspace / "earlier-aaaaaaaa" / "results").is_dir() and not (run.workspace / "results").exists()
    assert stories.read_stories(run)[1]["source"] == "two"


def test_later_notebooks_name_the_one_to_run(run):
    with pytest.raises(FileNotFoundError, match="Run notebook 01_clean first"):
        stories.read_stories(run)


def test_without_hub_and_file_the_sample_is_used_loudly(tmp_path, monkeypatch, capsys):
    from helpers import models, runtime

    monkeypatch.setattr(models, "hub_answers", lambda: False)
    run = runtime.start("cpu", str(tmp_path))
    table, facts = stories.load_stories(run)
    assert facts["source"] == "embedded sample" and len(table) == 240
    assert "EMBEDDED SAMPLE" in capsys.readouterr().out


def test_every_genre_of_the_real_dataset_has_one_family():
    genres = [genre for family in stories.FAMILIES.values() for genre in family]
    assert len(genres) == len(set(genres)) == 99
    assert stories.by_family(["Zebra", "War", "Animal Fiction"]) == ["Animal Fiction", "War", "Zebra"]
