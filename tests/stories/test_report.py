"""What is unusual about a dataset, and what it means.

Written for: a reader who trained for hours on French reviews with English encoders, and on a file in which every third text stood twice.
"""

import pandas as pd
import pytest

from helpers import stories
from helpers.config import get_profile


def report(rows, notes=(), **columns):
    raw = pd.DataFrame(rows, columns=["text", "label"]).assign(**columns)
    table, found = stories.add_split_and_folds(stories.validate(raw)[0])
    return stories.unusual(table, [*notes, *found], get_profile("cpu")).set_index("what")["means"]


def english(count, *labels):
    return [
        (f"The story of number {n} was told to all who were there, and it was long.", labels[n % len(labels)])
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("rows", "what", "means"),
    [
        (english(40, "pos", "neg"), "only 2 classes", "top-3 is always right"),
        (english(40, "pos", "neg"), "no titles", "no classifier reads titles"),
        (english(40, "pos", "neg"), "the labels are not those of this project's dataset", "without a key nothing is added"),
        (english(40, "War", "Crime"), r"2 labels are also names of its genres, which is taken for chance", "in no families"),
        (english(40, "0", "1"), "the labels are numbers", "give the classes names"),
        (english(40, "sci-fi", "sci fi"), "differ by punctuation alone: 'sci fi', 'sci-fi'", "different classes"),
        (english(40, *["a"] * 7, "b"), "the classes are uneven: 'a' has 35 texts, 'b' 5", "right in 88%; read macro F1"),
        (english(10, "a", "b"), "fewer than eight texts", "inner folds"),
        (english(40, "a", "b") * 2, "80 texts stand in the table more than once (40 different ones)", "flatters every figure"),
        (english(9, "a", "b") * 2, "more than once", "flatters"),
        ([(f"Il était une fois {n} rois dans les villes et la mer.", "ab"[n % 2]) for n in range(20)], "not recognised as English (French)", "made for English: sentence-transformers/all-MiniLM-L6-v2; set ENCODER ="),
        ([(f"老渔夫{n}独自住在海边。", "ab"[n % 2]) for n in range(20)], "the script puts no spaces between words", "neighbouring letters"),
        ([("cafÃ© was the <br> place of all that is.", "ab"[n % 2]) for n in range(20)], "letters that were decoded wrongly", "UTF-8"),
        ([("the <b>place</b> of all that is.", "ab"[n % 2]) for n in range(20)], "HTML tags", "take them out"),
        ([("!!!" if n < 2 else f"the place {n} of it all", "ab"[n % 2]) for n in range(20)], "2 texts hold no word", "say nothing"),
        ([("the place of it all " * (5000 if n == 3 else 1) + str(n), "ab"[n % 2]) for n in range(20)], "a text of 25,001 words", "windows one by one"),
    ],
)  # fmt: skip
def test_every_peculiarity_is_named_with_what_it_means(rows, what, means):
    found = report(rows)
    [said] = [meaning for name, meaning in found.items() if what in name]
    assert means in said


def test_texts_with_two_labels_are_counted():
    rows = english(40, "a", "b") + [(text, "a" if label == "b" else "b") for text, label in english(4, "a", "b")]
    assert any("4 of them with different labels" in what for what in report(rows).index)


def test_repairs_come_first_and_an_ordinary_dataset_has_nothing_to_report(run, sample):
    table = sample.assign(split=["validation", "test"] * 120)
    found = stories.unusual(table, [], get_profile("cpu"))
    assert found["what"].tolist() == ["nothing was repaired, and nothing is unusual"]
    assert report(english(40, "a", "b"), ["3 genre names had stray spaces"]).index[0] == "3 genre names had stray spaces"


def test_a_multilingual_encoder_is_not_blamed():
    table, _ = stories.add_split_and_folds(
        stories.validate(pd.DataFrame({"text": [f"老渔夫{n}在海边" for n in range(20)], "label": ["a", "b"] * 10}))[0]
    )
    profile = get_profile("cpu", encoder="intfloat/multilingual-e5-small", large_encoder=0)
    assert not stories.unusual(table, [], profile)["means"].str.contains("made for English").any()
