"""Labels, ids and columns as people have them.

Written for: `Sport`, `sport ` and a `Sport` with a zero-width space that became three classes, and a parameter that named a column which was not there.
"""

import pandas as pd
import pytest

from helpers import stories


def labelled(*labels, **columns):
    return pd.DataFrame({"text": [f"text {n}" for n in range(len(labels))], "label": list(labels)} | columns)


@pytest.mark.parametrize(
    ("labels", "kept", "said"),
    [
        (["Sport", "Sport", "sport", "SPORT", "law"], ["Sport"] * 4 + ["law"], "'sport' (1), 'SPORT' (1) became 'Sport' (2)"),
        (["Café", "Cafe\u0301", "b"], ["Café", "Café", "b"], "decomposed accents"),
        (["a\u200b", "a", "\ufeffa", "a\u00ad", "b"], ["a"] * 4 + ["b"], "unseen characters"),
        (["a  b", " a b ", "a\u00a0b", "c"], ["a b"] * 3 + ["c"], "stray spaces"),
        (["ﬁction", "fiction", "fiction"], ["fiction"] * 3, "'ﬁction' (1) became 'fiction' (2)"),
        (["Ｓport", "Sport", "Sport"], ["Sport"] * 3, "became 'Sport'"),
        (["می\u200cخواهم", "میخواهم", "می\u200cخواهم"], ["می\u200cخواهم"] * 3, "became"),
    ],
)
def test_labels_that_look_alike_are_one_and_that_is_said(labels, kept, said):
    table, notes = stories.validate(labelled(*labels))
    assert table["genre"].tolist() == kept and said in " ".join(notes)


def test_labels_that_differ_stay_different():
    labels = ["Masse", "Maße", "C", "C++", "C#", "1", "01", "-1"]
    table, notes = stories.validate(labelled(*labels))
    assert table["genre"].tolist() == labels and len(notes) == 1  # the missing ids


@pytest.mark.parametrize(
    "labels", [[0, 1], [0.0, 1.0], [True, False], pd.Categorical(["x", "y"]), pd.array([3, 4], dtype="Int64")]
)
def test_labels_of_any_type_become_names(labels):
    table, _ = stories.validate(pd.DataFrame({"text": ["a", "b"], "label": labels}))
    assert table["genre"].tolist() in (["0", "1"], ["True", "False"], ["x", "y"], ["3", "4"])


def test_missing_labels_of_any_kind_are_left_out():
    table, notes = stories.validate(labelled("a", None, float("nan"), "\u200b \ufeff", "b"))
    assert table["genre"].tolist() == ["a", "b"] and "3 rows with no genre were left out (table rows 3, 4, 5)" in notes


def test_columns_may_have_any_name():
    raw = pd.DataFrame({"Body ": ["a", "b"], "topic": ["x", "y"], "Head": ["t", "u"], "key": ["7", "8"]})
    table, notes = stories.validate(raw, {"text": "body", "label": "Topic", "title": "head", "id": "KEY"})
    assert table.iloc[1].tolist() == ["8", "u", "y", "b"] and not notes
    table, notes = stories.validate(labelled("x", "y", title=["t", "u"], id=["7", "8"]), {"title": "", "id": 0})
    assert (table["title"] == "").all() and table["story_id"].tolist() == ["1", "2"]


def test_of_two_columns_that_could_hold_the_text_the_one_read_is_named():
    _, notes = stories.validate(labelled("x", "y", story=["a", "b"]))
    assert "the column 'story' is read as the text, 'text' is not" in notes


def test_ids_from_columns_of_numbers():
    table, _ = stories.validate(labelled("x", "y", "z", id=[7.0, None, 12.0]))
    assert table["story_id"].tolist() == ["7", "row-2", "12"]


def test_a_hundred_thousand_equal_ids_take_seconds():
    raw = pd.DataFrame({"text": ["t"] * 100_000, "label": ["a", "b"] * 50_000, "id": ["7"] * 100_000})
    table, _ = stories.validate(raw)
    assert table["story_id"].is_unique and table["story_id"].iloc[-1] == "7-100000"


def uneven(**sizes):
    return pd.DataFrame(
        [(f"{genre}{n}", genre, f"text {n}", "") for genre, count in sizes.items() for n in range(count)],
        columns=["story_id", "genre", "text", "title"],
    ).sample(frac=1, random_state=0, ignore_index=True)


@pytest.mark.parametrize(
    "sizes",
    [{"a": 490, "b": 10}, {"a": 5, "b": 5}, {"a": 245, "b": 5}, {f"c{n}": 5 for n in range(150)}, {"a": 6, "b": 11, "c": 5}],
)
def test_uneven_and_small_classes_are_split_by_class_as_far_as_that_goes(sizes):
    table, notes = stories.add_split_and_folds(uneven(**sizes))
    counts = table.groupby(["genre", "fold"]).size().unstack(fill_value=0)
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1 and counts.min().min() >= 1
    shares = table.groupby("split").size() / len(table)
    assert abs(shares["train"] - 0.8) < 0.11 and table["split"].isin(stories.SPLITS).all()
    by_class = table[table["split"] != "train"].groupby(["genre", "split"]).size().unstack(fill_value=0)
    several = by_class[by_class.sum(axis=1) >= 2]
    assert (several > 0).all(axis=None), "a class with two held-out texts has one in validation and one in test"
    assert bool(notes) == bool((by_class.reindex(columns=["validation", "test"], fill_value=0) == 0).any(axis=None))


def test_a_column_of_free_text_is_not_taken_for_labels():
    table, _ = stories.validate(labelled(*[f"remark number {n}" for n in range(40)]))
    with pytest.raises(ValueError, match="40 genres have fewer than 5 stories .* does LABEL_COLUMN name the right column"):
        stories.add_split_and_folds(table)


def test_of_few_genres_all_are_kept_and_nothing_else_is_said(run, tmp_path):
    (tmp_path / "mine.csv").write_text("text,label\n" + "a,x\nb,y\n" * 10)
    table, facts = stories.load_stories(run, str(tmp_path / "mine.csv"), genres=50)
    assert facts["genres"] == 2 and not any("as asked" in note for note in facts["notes"])
