"""Story embeddings, the lexical baseline and SetFit, with the real small encoder.

Written for: encoders that silently read the first 256 word pieces of a 1,200-piece story, and embeddings computed anew in every notebook.
"""

import numpy as np
import pytest

from helpers import encoders, lexical, models, quantized, training

pytestmark = pytest.mark.number_types


@pytest.fixture
def encoder(run):
    return models.load_encoder(run, models.PACKAGED_ENCODER)


def test_windows_cover_the_story(encoder):
    model, _ = encoder
    text = " ".join(f"word{i}" for i in range(900))
    windows = encoders.split_windows(model, text)
    assert len(windows) > 3 and all(len(model.tokenizer(w)["input_ids"]) <= model.max_seq_length + 2 for w in windows)
    assert windows[0].startswith("word0 ") and encoders.split_windows(model, "") == [""]
    assert encoders.split_windows(model, "short") == ["short"]


def test_embeddings_are_unit_length_see_the_end_and_are_kept(run, encoder, monkeypatch):
    model, label = encoder
    long = "A sheriff rode into town. " * 80
    texts = [long, long + "The starship fired on the imperial fleet. " * 60, "A sheriff rode into town."]
    vectors = encoders.embed(run, model, label, texts)
    assert vectors.shape == (3, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] < 0.95  # the opening alone would give the same vector
    opening = encoders.embed(run, model, label, texts, reads="opening")
    assert opening[0] @ opening[1] > 0.999
    monkeypatch.setattr(model, "encode", lambda *a, **k: pytest.fail("embedded again"))
    assert (encoders.embed(run, model, label, texts) == vectors).all()
    ends = encoders.embed(run, model, label, texts, reads="ends")
    assert ends[0] @ ends[1] < 0.95 and not np.allclose(ends[1], vectors[1])


def test_8_bits_keep_the_direction_of_every_vector_whatever_stands_beside_it(run, encoder, sample):
    model, _ = encoder
    texts = [*sample["text"].head(40), *sample["title"].head(40), "", "rain"]
    small = quantized.Int8Encoder(model)
    vectors, whole = small.encode(texts), encoders.encode(run, model, texts)
    assert vectors.shape == (82, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = (vectors * whole).sum(axis=1)
    assert cosines.mean() > 0.98 and cosines[:-2].min() > 0.95
    assert not np.allclose(vectors, whole, atol=1e-3)  # it is another encoder
    assert (small.encode(texts[3:5]) == vectors[3:5]).all()
    assert model.max_seq_length == 256


@pytest.mark.parametrize("build", [lexical.words, lexical.characters])
def test_lexical_classifiers(sample, build):
    some = sample[sample["genre"].isin(["Western", "Space Opera"])]
    train, test = some[some["fold"] != 0], some[some["fold"] == 0]
    model = build().fit(train, train["genre"])
    scores = lexical.decision_scores(model, test)
    assert scores.shape == (len(test), 2)
    assert (np.array(model.classes_)[scores.argmax(1)] == model.predict(test)).all()
    assert (model.predict(test) == test["genre"]).mean() >= 0.75
    assert lexical.with_title(test.head(1).assign(title=""))[0] == test.iloc[0]["text"]


def test_the_frozen_encoder_reads_story_and_title_and_needs_no_cache(run, encoder, sample):
    model, label = encoder
    some = sample[sample["genre"].isin(["Western", "Space Opera", "Legal Drama"])]
    train, test = some[some["fold"] != 0], some[some["fold"] == 0]
    kept = encoders.frozen(run, model, label).fit(train, train["genre"])
    assert (kept.predict(test) == test["genre"]).mean() >= 0.8
    cache = {file: file.stat().st_mtime_ns for file in (run.workspace / "embeddings").glob("*.npz")}
    afresh = encoders.frozen(run, model, label, keep=False).fit(train, train["genre"])
    np.testing.assert_allclose(afresh.decision_function(test), kept.decision_function(test), atol=1e-2)
    assert cache and cache == {file: file.stat().st_mtime_ns for file in cache}
    assert not np.allclose(kept.decision_function(test), kept.decision_function(test.assign(title="The Cattle Drive")))


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
    trained = encoders.SetFit(run, load, recipe).fit(train, train["genre"])
    scores, genres = trained.predict_proba(test), list(trained.classes_)
    assert genres == sorted(set(train["genre"])) and scores.sum(1) == pytest.approx(np.ones(len(test)))
    assert np.mean([genres[i] == g for i, g in zip(scores.argmax(1), test["genre"])]) >= 0.8
    assert not np.allclose(load()[0].encode(["A sheriff"]), trained.model.model_body.encode(["A sheriff"]))
    again = encoders.SetFit(run, load, recipe).fit(train, train["genre"])
    assert "Already trained" in capsys.readouterr().out and again.cost == trained.cost
    np.testing.assert_allclose(again.predict_proba(test, keep=False), scores, atol=1e-5)


def test_setfit_reads_what_its_recipe_says(run, three_genres):
    train, _ = three_genres
    story = train.iloc[[0]]
    seed, titled = (
        encoders.SetFit(run, None, {"column": column, "titles": titles}).texts(story)[0]
        for column, titles in (("text_clean", 0), ("text", 1))
    )
    assert seed == story.iloc[0]["text_clean"] and titled == f"{story.iloc[0]['title']}. {story.iloc[0]['text']}"


def test_encoders_train_without_attention_dropout_on_a_cpu(encoder):
    model, _ = encoder
    config = model[0].auto_model.config
    assert config.hidden_dropout_prob > 0 and (model.device.type != "cpu" or config.attention_probs_dropout_prob == 0)


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
        encoders.train_setfit(run, model, label, texts, names, **settings)
    monkeypatch.undo()
    fresh, _ = models.load_encoder(run, models.PACKAGED_ENCODER)
    _, cost, _ = encoders.train_setfit(run, fresh, label, texts, names, **settings)
    assert "Continuing from checkpoint-2" in capsys.readouterr().out and cost.seconds > 0
