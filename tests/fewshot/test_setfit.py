"""SetFit on the real small encoder: it learns, moves the encoder, goes on after a kill, and reads what its recipe says.

Written for: trainings that were paid for twice, and an encoder that was judged as it came.
"""

import numpy as np
import pytest

from helpers import models, training
from helpers.fewshot.setfit import SetFit, train_setfit

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
