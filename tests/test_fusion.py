"""The combination of classifiers, and that nothing of a judged story reaches its training.

Written for: stacking weights that were fitted on the stories they were then judged on.
"""

import numpy as np
import pytest

from helpers import fusion, lexical


def oracle(rows, judged):
    """Knows the genre of every story, so it must get the weight."""
    genres = sorted(rows["genre"].unique())
    return np.array([[2.0 if g == genre else 0.0 for g in genres] for genre in judged["genre"]]), genres


def noise(rows, judged):
    genres = sorted(rows["genre"].unique())
    return np.random.default_rng(0).normal(size=(len(judged), len(genres))), genres


def test_the_part_that_knows_gets_the_weight(sample):
    train, judged = sample[sample["split"] == "train"], sample[sample["split"] == "test"]
    scores, genres, weights = fusion.fuse(
        {"noise": noise, "oracle": oracle}, train, lambda ids: train[train["story_id"].isin(ids)], judged
    )
    assert weights["oracle"] > 5 * weights["noise"]
    assert [genres[i] for i in scores.argmax(1)] == judged["genre"].tolist()
    assert scores.sum(1) == pytest.approx(np.ones(len(judged)))


def test_no_part_is_ever_fitted_on_what_it_scores(sample):
    train, judged = sample[sample["split"] == "train"], sample[sample["split"] == "test"]
    held_out = set(sample.loc[sample["split"] != "train", "story_id"])
    seen = []

    def watched(rows, scored):
        assert not set(rows["story_id"]) & set(scored["story_id"]), "a story was scored by a part that was fitted on it"
        assert not set(rows["story_id"]) & held_out, "a held-out story reached training"
        seen.append(len(scored))
        return oracle(rows, scored)

    fusion.fuse({"watched": watched}, train, lambda ids: train[train["story_id"].isin(ids)], judged)
    assert sum(seen) == len(train) + len(judged) and len(seen) == 5


def test_labels_of_the_judged_stories_are_not_looked_at(sample):
    train, judged = sample[sample["split"] == "train"], sample[sample["split"] == "test"]

    def rows_for(ids):
        return train[train["story_id"].isin(ids)]

    one, _, _ = fusion.fuse({"words": lexical.scores}, train, rows_for, judged)
    other, _, _ = fusion.fuse({"words": lexical.scores}, train, rows_for, judged.assign(genre=judged["genre"].iloc[0]))
    assert (one == other).all()


def test_a_judged_story_in_training_is_refused(sample):
    with pytest.raises(ValueError, match="among the training stories"):
        fusion.fuse({"noise": noise}, sample, lambda ids: sample, sample.head(1))


def test_a_genre_that_a_part_never_saw_gets_its_lowest_score(sample):
    scores = fusion.aligned(lambda rows, judged: (np.array([[1.0, 3.0]]), ["A", "C"]), sample, sample.head(1), ["A", "B", "C"])
    assert scores.tolist() == [[1.0, 1.0, 3.0]]
