"""What was written for the 99 genres reaches no other dataset.

Written for: 72 questions about the sample's stories that were asked about 1,300 invoices, and `Crime` and `Sports` of a newspaper that got families and recorded
short stories.
"""

import pandas as pd
import pytest

from helpers import augmentation, stories
from helpers.augmentation.recorded import RecordedAnswers
from helpers.augmentation.targets import Target

ALL = [genre for family in stories.FAMILIES.values() for genre in family]
NEWS = ["Crime", "Sports", "War", "Western", "Comedy"]


def table_of(labels, text="The council met on Tuesday and it was decided that the road is to be closed. {}"):
    rows = [(str(n), "", label, text.format(n), "train") for n, label in enumerate(label for label in labels for _ in range(8))]
    return pd.DataFrame(rows, columns=["story_id", "title", "genre", "text", "split"]).assign(text_clean="", fold=0)


def test_label_sets_of_the_project_are_known_and_chance_is_not(sample):
    known = [ALL, sorted(ALL)[:4], sorted(set(sample["genre"]))[:12], sample["genre"], ALL[:98]]
    assert all(stories.are_known(labels) for labels in known)
    assert not any(
        stories.are_known(labels) for labels in (NEWS, ["War", "Western"], ["pos", "neg"], [*ALL, "news"], [], ["Comedy"])
    )


def test_labels_that_happen_to_be_genres_get_no_families():
    assert set(stories.families_of(NEWS).values()) == {"Other"} and stories.by_family(NEWS) == sorted(NEWS)
    assert stories.family_of("War", NEWS) == "Other" and stories.family_of("War", ALL) == "History and adventure"


def test_recorded_stories_and_descriptions_serve_known_datasets_alone(run):
    news = table_of(NEWS)
    recorded = RecordedAnswers(news)
    assert not any(recorded.answers(Target("synthetic", genre, 1)) for genre in NEWS)
    assert augmentation.genre_descriptions(news) == {}
    rows = augmentation.training_set(run, news, news["story_id"], ("original", "description"))
    assert set(rows["source"]) == {"original"}
    real = table_of(ALL)
    recorded = RecordedAnswers(real)
    assert all(recorded.answers(Target("synthetic", genre, 1)) for genre in ALL)
    assert set(augmentation.genre_descriptions(real)) == set(ALL)


def test_known_labels_in_another_language_get_nothing_in_english():
    chinese = table_of(ALL, "老渔夫独自住在海边，每天夜里数着经过的船只。{}")
    assert not stories.is_known(chinese) and augmentation.genre_descriptions(chinese) == {}
    assert not RecordedAnswers(chinese).answers(Target("synthetic", "War", 1))


def test_the_sample_is_known_by_its_texts(sample):
    assert stories.is_sample(sample.head(3)) and stories.is_known(sample.head(3))
    assert not stories.is_sample(sample.head(3).assign(text="another"))


@pytest.mark.parametrize("needs", ["", "War"])
def test_a_contrast_comes_of_confusions_before_it_comes_of_families(needs):
    table = pd.DataFrame({"genre": NEWS, "confused_with": [needs if genre == "Western" else "" for genre in NEWS]})
    assert augmentation.contrast("Western", table) == ([needs] if needs else [])
