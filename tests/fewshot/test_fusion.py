"""The combination of classifiers, and that nothing of a judged story reaches its training.

Written for: stacking weights that were fitted on the stories they were then judged on.
"""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from helpers import models
from helpers.augmentation.rows import JOURNALS, training_set
from helpers.config import DATA
from helpers.fewshot.fusion import FusedClassifier, log_pool
from helpers.fewshot.setfit import SetFit
from helpers.representations import lexical, sentences
from helpers.representations.scores import aligned_scores


class Oracle(BaseEstimator):
    """Knows the genre of every story, so it must get the weight."""

    def fit(self, rows, genres):
        self.classes_ = np.unique(genres)
        return self

    def decision_function(self, judged):
        return np.array([[2.0 if g == genre else 0.0 for g in self.classes_] for genre in judged["genre"]])


class Noise(Oracle):
    def decision_function(self, judged):
        return np.random.default_rng(0).normal(size=(len(judged), len(self.classes_)))


@pytest.fixture
def parted(sample):
    """Training stories, judged stories, and the rows that may train."""
    train, judged = sample[sample["split"] == "train"], sample[sample["split"] == "test"]
    return train, judged, lambda ids: train[train["story_id"].isin(ids)]


def test_the_part_that_knows_gets_the_weight(parted):
    train, judged, rows_for = parted
    model = FusedClassifier({"noise": Noise(), "oracle": Oracle()}).fit(train, rows_for)
    weights = model.weights()
    assert weights["oracle"] > 5 * weights["noise"]
    probabilities = model.predict_proba(judged)
    assert [model.genres[i] for i in probabilities.argmax(1)] == judged["genre"].tolist()
    assert probabilities.sum(1) == pytest.approx(np.ones(len(judged)))
    scores = model.scores(judged)
    assert (model.combine(scores, ["oracle"]).argmax(1) == scores["oracle"].argmax(1)).all()


def test_no_part_is_ever_fitted_on_what_it_scores(sample, parted):
    train, judged, rows_for = parted
    held_out = set(sample.loc[sample["split"] != "train", "story_id"])
    scored_so_far = []

    class Watched(Oracle):
        def fit(self, rows, genres):
            assert not set(rows["story_id"]) & held_out, "a held-out story reached training"
            self.seen_ = set(rows["story_id"])
            return super().fit(rows, genres)

        def decision_function(self, scored):
            assert not self.seen_ & set(scored["story_id"]), "a story was scored by a part that was fitted on it"
            scored_so_far.append(len(scored))
            return super().decision_function(scored)

    FusedClassifier({"watched": Watched()}).fit(train, rows_for).predict_proba(judged)
    assert sum(scored_so_far) == len(train) + len(judged) and len(scored_so_far) == 5


def test_labels_of_the_judged_stories_are_not_looked_at(parted):
    train, judged, rows_for = parted
    model = FusedClassifier({"words": lexical.word_svm()}).fit(train, rows_for)
    relabelled = judged.assign(genre=judged["genre"].iloc[0])
    assert (model.predict_proba(judged) == model.predict_proba(relabelled)).all()


def test_a_judged_story_in_training_is_refused(parted):
    train, _, rows_for = parted
    model = FusedClassifier({"noise": Noise()}).fit(train, rows_for)
    with pytest.raises(ValueError, match="among the training stories"):
        model.predict_proba(train.head(1))


def test_a_genre_that_a_part_never_saw_gets_its_lowest_score(sample):
    class Fixed:
        classes_ = ["A", "C"]

        def decision_function(self, judged):
            return np.array([[1.0, 3.0]])

    assert aligned_scores(Fixed(), sample.head(1), ["A", "B", "C"]).tolist() == [[1.0, 1.0, 3.0]]


def test_two_opinions_have_an_equal_say_and_are_matched_by_name():
    sure = pd.DataFrame({"A": [0.9, 0.2], "B": [0.1, 0.8]}, index=["one", "two"])
    doubting = pd.DataFrame({"B": [0.6, 0.5], "A": [0.4, 0.5]}, index=["two", "one"])
    pooled = log_pool(sure, doubting)
    assert list(pooled.columns) == ["A", "B"] and list(pooled.index) == ["one", "two"]
    assert pooled.loc["one", "A"] == pytest.approx(3 / 4)  # odds of 9 and 1: their geometric mean is 3
    assert pooled.loc["two", "B"] == pytest.approx(6**0.5 / (6**0.5 + 1))  # odds of 4 and 1.5
    assert log_pool(sure, 1 - sure.round()).loc["one", "B"] > 0.99  # an impossible genre stays all but impossible
    with pytest.raises(KeyError):
        log_pool(sure, doubting.drop(columns="A"))


def test_nothing_of_held_out_stories_reaches_what_is_fitted(run, sample):
    """Whatever the held-out stories say, rows, vocabulary, scales, heads and weights come out the same, bit by bit."""
    genres = ["Mystery", "Mystery Comedy", "Thriller", "Western"]
    some = sample[sample["genre"].isin(genres)].reset_index(drop=True)
    held_out = some["split"] != "train"
    other = some.copy()
    for column in ("title", "text", "text_clean"):
        other.loc[held_out, column] = [f"Qwyjibo{i} {column} zzyzx " * 40 for i in range(held_out.sum())]
    other.loc[held_out, "genre"] = other.loc[held_out, "genre"].iloc[::-1].to_numpy()
    verdict = {"status": "accepted", "reason": "", "tokens": None, "note": "", "close_to": []}
    answers = [json.loads(line) for line in (DATA / "sample_augmentations.jsonl").read_text(encoding="utf-8").splitlines()]
    for task, file in JOURNALS.items():
        rows = [row for row in answers if row["task"] == task and row["genre"] in genres]
        (run.workspace / file).write_text("".join(json.dumps(row | verdict) + "\n" for row in rows), encoding="utf-8")
    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)

    def fit(table):
        def rows_for(ids):
            return training_set(run, table, ids, ("original", "paraphrase", "synthetic", "description"))

        train = table[table["split"] == "train"]
        parts = {
            "words": lexical.word_svm(),
            "characters": lexical.character_svm(),
            "encoder": sentences.frozen(run, encoder, label),
        }
        return rows_for(train["story_id"]), FusedClassifier(parts).fit(train, rows_for)

    (rows, model), (rows_again, model_again) = fit(some), fit(other)
    assert set(rows["source"]) == {"original", "paraphrase", "synthetic", "description"}
    pd.testing.assert_frame_equal(rows, rows_again)
    assert not set(some.loc[held_out, "story_id"]) & (set(rows["story_id"]) | set(rows["parent_id"].dropna()))
    assert model.weights() == model_again.weights() and model.scale == model_again.scale
    for name in model.parts:
        one, two = model.fitted[name], model_again.fitted[name]
        assert (one[-1].coef_ == two[-1].coef_).all() and (model.inner[name] == model_again.inner[name]).all()
        if name != "encoder":
            assert one[-2].vocabulary_ == two[-2].vocabulary_ and (one[-2].idf_ == two[-2].idf_).all()
            assert not [word for word in two[-2].vocabulary_ if "qwyj" in word or "zzyz" in word]
    recipe = {"column": "text", "titles": 1, "reads": ("opening", "title")}
    recipe["training"] = {"loss": "SupConLoss", "num_epochs": 1, "batch_size": 16}
    load = lambda: models.load_encoder(run, models.PACKAGED_ENCODER)  # noqa: E731
    tuned, tuned_again = (SetFit(run, load, recipe).fit(table, table["genre"]) for table in (rows, rows_again))
    assert tuned._label == tuned_again._label  # its folder is named for a hash of every text and genre that it trains on
    assert (tuned.fitted[-1].coef_ == tuned_again.fitted[-1].coef_).all()
