"""SetFit on the real small encoder: it learns, moves the encoder, goes on after a kill, and reads what its recipe says.

Written for: trainings that were paid for twice, and an encoder that was judged as it came.
"""

import json
from collections import Counter

import joblib
import numpy as np
import pytest
import stand_ins
import torch
from datasets import Dataset
from sentence_transformers.base.sampler import GroupByLabelBatchSampler

from helpers import models, runtime, training
from helpers.fewshot.sampler import EveryRow, share_by_label
from helpers.fewshot.setfit import SetFit, load_setfit, train_setfit
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
    # In bf16 the last digits depend on which texts stand in a batch, and without the cache others do.
    closeness = 1e-5 if run.dtype == torch.float32 else 2e-3
    np.testing.assert_allclose(again.predict_proba(test, keep=False), scores, atol=closeness)


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


def test_in_8_bits_it_is_the_same_tuning_and_says_nearly_the_same(run, three_genres):
    train, test = three_genres
    recipe = {"column": "text", "titles": 1, "reads": ("opening", "title"), "training": WHOLE_BATCHES}
    load = lambda: models.load_encoder(run, models.PACKAGED_ENCODER)  # noqa: E731
    whole, small = (SetFit(run, load, recipe | changed).fit(train, train["genre"]) for changed in ({}, {"in_8_bits": True}))
    assert len(list((run.workspace / "training").iterdir())) == 1 and small.cost == whole.cost
    of_whole, of_small = whole.predict_proba(test), small.predict_proba(test)
    assert 0 < np.abs(of_whole - of_small).max() < 0.05
    np.testing.assert_allclose(small.predict_proba(test.iloc[[0]], keep=False)[0], of_small[0], atol=1e-5)

    brief = SetFit(run, load, recipe | {"in_8_bits": True, "tokens": 32}).fit(train, train["genre"])
    other_end = test.assign(text=[" ".join([*text.split()[:40], "and so they lived"]) for text in test["text"]])
    of_brief = brief.predict_proba(test)
    assert np.abs(of_brief - of_small).max() > 0.005
    assert (brief.predict_proba(other_end) == of_brief).all() and (small.predict_proba(other_end) != of_small).any()


def test_an_encoder_that_wants_a_prompt_is_tuned_behind_it_and_reads_it_once(run, encoder, three_genres, monkeypatch):
    model, label = encoder
    train, test = three_genres
    model.prompts, model.default_prompt_name, read = {"Classification": "the genre of: "}, "Classification", []
    tokenize = model.preprocess
    monkeypatch.setattr(
        model, "preprocess", lambda texts, **options: (read.append((texts, options)), tokenize(texts, **options))[1]
    )
    texts = train["text"].tolist()
    trained, _, _ = train_setfit(run, model, label, texts, train["genre"].tolist(), **WHOLE_BATCHES)
    seen = [(options.get("prompt") or "") + text for batch, options in read for text in batch]
    assert seen and all(text.startswith("the genre of: ") and text.count("the genre of: ") == 1 for text in seen)
    assert model.default_prompt_name == "Classification"
    asked = trained.model_body.encode(texts[:2], prompt="the genre of: ")
    np.testing.assert_allclose(asked, trained.model_body.encode(texts[:2]), atol=1e-6)


# --- trained in bf16, cut off, and loaded again, with an encoder of random weights ---------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    """Folder of a small encoder with dropout, so that the random state counts."""
    packages, _ = stand_ins.write_models(tmp_path_factory.mktemp("models"))
    return str(next(packages.glob("*/model")))


@pytest.fixture
def train_tiny(tiny_encoder, monkeypatch):
    """Function that tunes the small encoder in a run, until a step after which the runtime dies (None: to the end)."""

    def train_tiny(run, settings, dies_after=None, **options):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == dies_after:
                raise Killed

        monkeypatch.setattr(training._Progress, "on_step_end", on_step_end, raising=False)
        encoder, label = models.load_encoder(run, tiny_encoder)
        texts = [
            f"{word} of the {genre} {'and on ' * n}" for genre in ("sea", "war", "law") for n, word in enumerate("abcdefgh")
        ]
        return train_setfit(run, encoder, label, texts, [text.split()[3] for text in texts], **options, **settings)

    return train_tiny


def test_bf16_trains_as_fp32_does(train_tiny, tiny_encoder, tmp_path):
    """Autocast around a whole training keeps the first step's copies of the weights: the loss stayed where it began."""
    begin = models.load_encoder(runtime.start("smoke", str(tmp_path / "begin")), tiny_encoder)[0].state_dict()
    moved = []
    for dtype in ("fp32", "bf16"):
        run = runtime.start("smoke", str(tmp_path / dtype), dtype=dtype)
        model, _, _ = train_tiny(run, {"loss": "SupConLoss", "num_epochs": 25, "batch_size": 12, "body_learning_rate": 1e-3})
        weights = model.model_body.state_dict()
        moved.append(
            torch.cat([(weights[name] - begin[name]).flatten() for name in weights if weights[name].is_floating_point()])
        )
    assert torch.cosine_similarity(*moved, dim=0) > 0.99


class Killed(Exception):
    """Stands for the runtime's end."""


@pytest.mark.parametrize(
    ("settings", "deaths"),
    [
        ({"num_iterations": 2, "num_epochs": 2, "batch_size": 8}, (3, 5, 11, 12, 17)),  # twelve steps an epoch
        ({"loss": "SupConLoss", "num_epochs": 5, "batch_size": 8}, (2, 4, 5, 11)),  # three
    ],
    ids=["pairs", "whole batches"],
)
def test_a_setfit_that_was_cut_off_again_and_again_ends_as_if_nothing_had_happened(
    run, tmp_path, train_tiny, settings, deaths, capsys
):
    whole, _, name = train_tiny(run, settings)
    every_step = runtime.start("smoke", str(tmp_path / "every"), save_minutes=0)
    for step in deaths:
        with pytest.raises(Killed):
            train_tiny(every_step, settings, step)
    again, _, same = train_tiny(every_step, settings)
    assert f"Continuing from checkpoint-{deaths[-1] - 1}" in capsys.readouterr().out and same == name
    for one, other in zip(whole.model_body.state_dict().values(), again.model_body.state_dict().values()):
        assert torch.equal(one, other)
    assert np.array_equal(whole.model_head.coef_, again.model_head.coef_)
    logs = [json.loads((each.workspace / "training" / name / "finished.json").read_text())["log"] for each in (run, every_step)]
    one, other = ([{key: value for key, value in entry.items() if key != "seconds"} for entry in log] for log in logs)
    assert one == other, "the first loss after an interruption is the mean over all of its steps"
    assert sorted(path.name for path in (run.workspace / "training" / name).iterdir()) == [
        "finished.json",
        "model",
        "recipe.json",
    ]


def test_a_setfit_that_shall_go_on_needs_a_checkpoint(run, train_tiny):
    with pytest.raises(FileNotFoundError, match="There is no checkpoint of setfit-.* to go on from"):
        train_tiny(run, PAIRS, resume=True)


class Evil:
    def __reduce__(self):
        return open, ("ran.txt", "w")


@pytest.mark.parametrize("planted", [Evil(), np.array([Evil()], dtype=object)], ids=["code", "code in an array"])
def test_a_head_that_holds_code_is_not_loaded(run, train_tiny, planted, tmp_path, monkeypatch):
    model, _, name = train_tiny(run, PAIRS)
    folder = run.workspace / "training" / name / "model"
    loaded = load_setfit(folder, run.device)
    assert np.array_equal(loaded.predict_proba(["a", "b"], as_numpy=True), model.predict_proba(["a", "b"], as_numpy=True))
    model.model_head.coef_ = planted
    joblib.dump(model.model_head, folder / "model_head.pkl")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="model_head.pkl .* it is not loaded"):
        load_setfit(folder, run.device)
    assert not (tmp_path / "ran.txt").exists()
