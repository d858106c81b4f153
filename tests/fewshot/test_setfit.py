"""SetFit on the real small encoder: it learns, moves the encoder, goes on after a kill, and reads what its recipe says.

Written for: trainings that were paid for twice, and an encoder that was judged as it came.
"""

from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers.base.sampler import GroupByLabelBatchSampler

from helpers import models, training
from helpers.fewshot.sampler import EveryRow, share_by_label
from helpers.fewshot.setfit import SetFit, train_setfit
from helpers.workspace import read_json

pytestmark = pytest.mark.number_types


@pytest.fixture
def encoder(run):
    return models.load_encoder(run, models.PACKAGED_ENCODER)


@pytest.fixture
def three_genres(sample):
    some = sample[sample["genre"].isin(["Western", "Space Opera", "Legal Drama"])]
    return some[some["split"] == "train"].groupby("genre").head(4), some[some["split"] != "train"]


PAIRS = {"num_iterations": 1, "num_epochs": 1, "batch_size": 8}
WHOLE_BATCHES = {"loss": "SupConLoss", "num_epochs": 2, "batch_size": 8}


@pytest.mark.parametrize("settings, reads", [(PAIRS, ()), (WHOLE_BATCHES, ()), (WHOLE_BATCHES, ("opening", "title"))])
def test_setfit_learns_moves_the_encoder_and_is_not_trained_twice(run, three_genres, settings, reads, capsys):
    train, test = three_genres
    load = lambda: models.load_encoder(run, models.PACKAGED_ENCODER)  # noqa: E731
    recipe = {"column": "text", "titles": 1, "reads": reads, "training": settings}
    trained = SetFit(run, load, recipe).fit(train, train["genre"])
    scores, genres = trained.predict_proba(test), list(trained.classes_)
    assert genres == sorted(set(train["genre"])) and scores.sum(1) == pytest.approx(np.ones(len(test)))
    assert np.mean([genres[i] == g for i, g in zip(scores.argmax(1), test["genre"])]) >= 0.8
    assert not np.allclose(load()[0].encode(["A sheriff"]), trained.model.model_body.encode(["A sheriff"]))
    again = SetFit(run, load, recipe).fit(train, train["genre"])
    assert "Already trained" in capsys.readouterr().out and again.cost == trained.cost
    np.testing.assert_allclose(again.predict_proba(test, keep=False), scores, atol=1e-5)


@pytest.mark.parametrize(
    "sizes, batch_size", [([980, 20], 32), ([13] * 99, 32), ([16, *[8] * 5, 7, 1], 8), ([5], 4), ([1] * 9, 4)]
)
def test_every_row_is_read_once_an_epoch_beside_one_of_its_genre(sizes, batch_size):
    labels = [genre for genre, size in enumerate(sizes) for _ in range(size)]
    rows = Dataset.from_dict({"sentence": [str(n) for n in range(len(labels))], "label": labels})
    sampler = EveryRow(rows, batch_size, False, ["label"], torch.Generator(), seed=42)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler) == -(-len(labels) // batch_size)
        assert sorted(row for batch in batches for row in batch) == list(range(len(labels)))
        assert all(0 < len(batch) <= 1.25 * batch_size for batch in batches)
        for batch in batches:
            of_genre = Counter(labels[row] for row in batch)
            assert all(count > 1 or sizes[genre] == 1 for genre, count in of_genre.items())
        epochs.append(batches)
    assert epochs[0] != epochs[1]
    sampler.set_epoch(0)
    assert list(sampler) == epochs[0], "a training that is continued sees what it would have seen"


def test_2_against_98_per_cent_are_read_whole_and_equal_genres_as_before(run, encoder, three_genres):
    unequal = ["A"] * 980 + ["B"] * 20
    assert share_by_label(unequal) == 0.04 and share_by_label(["A", "A"]) == 0
    assert share_by_label(sum(([g] * 13 for g in range(98)), [99] * 25)) == pytest.approx(0.92, abs=0.01)
    group_by_label = GroupByLabelBatchSampler(Dataset.from_dict({"label": unequal}), 32, False, ["label"], torch.Generator())
    assert sum(map(len, group_by_label)) / 1000 == share_by_label(unequal)
    model, label = encoder
    train, _ = three_genres
    settings = {"loss": "SupConLoss", "num_epochs": 1, "batch_size": 8}
    recipes = []
    for rows in (
        train,
        train[(train["genre"] == "Western") | (train.index == train.index[0]) | (train.index == train.index[1])],
    ):
        _, cost, folder = train_setfit(run, model, label, rows["text_clean"].tolist(), rows["genre"].tolist(), **settings)
        recipes.append(read_json(run.workspace / "training" / folder / "recipe.json"))
    assert "sampler" not in recipes[0], "what was trained before is still found"
    assert recipes[1]["sampler"] == "every row once an epoch" and cost.seconds > 0


def test_setfit_reads_what_its_recipe_says(run, three_genres):
    train, _ = three_genres
    story = train.iloc[[0]]
    seed, titled = (
        SetFit(run, None, {"column": column, "titles": titles}).texts(story)[0]
        for column, titles in (("text_clean", 0), ("text", 1))
    )
    assert seed == story.iloc[0]["text_clean"] and titled == f"{story.iloc[0]['title']}. {story.iloc[0]['text']}"


def test_a_setfit_that_was_cut_off_continues(run, encoder, three_genres, monkeypatch, capsys):
    model, label = encoder
    train, _ = three_genres
    settings = {"num_iterations": 2, "num_epochs": 1, "batch_size": 8, "max_steps": 4}
    settings["save_steps"] = 2

    class Killed(Exception):
        pass

    def die(self, args, state, control, **kwargs):
        if state.global_step == 3:
            raise Killed

    monkeypatch.setattr(training._Progress, "on_step_end", die, raising=False)
    texts, names = train["text_clean"].tolist(), train["genre"].tolist()
    with pytest.raises(Killed):
        train_setfit(run, model, label, texts, names, **settings)
    monkeypatch.undo()
    fresh, _ = models.load_encoder(run, models.PACKAGED_ENCODER)
    _, cost, _ = train_setfit(run, fresh, label, texts, names, **settings)
    assert "Continuing from checkpoint-2" in capsys.readouterr().out and cost.seconds > 0
