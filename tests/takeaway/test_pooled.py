"""The best of 06 as a folder: the accurate classifier and a tuned SetFit with an equal say.

Written for: the best figure of the comparison belonged to something that nobody could take away.
"""

import numpy as np
import pandas as pd
import pytest

from helpers import fewshot, models, runtime, stories
from helpers.fewshot.fusion import FusedClassifier
from helpers.representations import lexical
from helpers.takeaway import GenreClassifier

RECIPE = {
    "column": "text",
    "titles": 1,
    "reads": ("opening", "title"),
    "training": {"loss": "SupConLoss", "num_epochs": 1, "batch_size": 8},
}
SEVERAL, TWO = ["Legal Drama", "Space Opera", "Western"], ["Space Opera", "Western"]


@pytest.fixture(scope="module", params=[(SEVERAL, False), (TWO, False), (SEVERAL, True)], ids=["three labels", "two", "8 bits"])
def voices(request, tmp_path_factory):
    """Words, a tuned SetFit, both fitted on the same stories, and stories that neither saw."""
    run = runtime.start("smoke", str(tmp_path_factory.mktemp("workspace")), dtype="fp32", genres=24)
    table, _ = stories.load_stories(run)
    labels, in_8_bits = request.param
    table = table[table["genre"].isin(labels)].reset_index(drop=True)
    train = table.groupby("genre").head(6)
    fused = FusedClassifier({"words": lexical.word_svm()}).fit(train, lambda ids: train[train["story_id"].isin(ids)])
    recipe = RECIPE | {"in_8_bits": in_8_bits, "tokens": 32 if in_8_bits else None}
    setfit = fewshot.SetFit(run, lambda: models.load_encoder(run, models.PACKAGED_ENCODER), recipe).fit(train, train["genre"])
    return fused, setfit, train, table.drop(train.index)


@pytest.fixture(scope="module")
def held_out(voices):
    fused, _, train, _ = voices
    return pd.DataFrame(fused.combine(fused.inner), train["story_id"], fused.genres)


def test_it_says_what_the_pool_of_both_says_and_is_read_again_without_their_models(voices, held_out, tmp_path, monkeypatch):
    fused, setfit, train, others = voices
    words = GenreClassifier.of(fused, train)
    both = words.pooled_with(setfit, "tuned encoder", train, held_out)
    of_each = (pd.DataFrame(model.predict_proba(others), others["story_id"], fused.genres) for model in (fused, setfit))
    logits = both.logits(others[["text", "title"]])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    pooled = fewshot.log_pool(*of_each).to_numpy()
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), pooled, atol=2e-3)
    assert not np.allclose(words.logits(others), logits), "SetFit has a say"

    texts, titles = others["text"].tolist(), others["title"].tolist()
    before = both.predict_proba(texts, titles)
    folder = both.save(tmp_path / "both")
    monkeypatch.setattr(models, "load_encoder", lambda *_: pytest.fail("the tuned encoder comes with the classifier"))
    assert (GenreClassifier.load(folder).predict_proba(texts, titles) == before).all()
    said = (folder / "README.md").read_text(encoding="utf-8")
    assert "are in this folder: sentence-transformers/all-MiniLM-L6-v2.\nNothing has to be downloaded." in said
    [encoder] = folder.rglob("*.onnx")
    assert (encoder.stat().st_size < 40e6) == setfit.recipe["in_8_bits"], "a quarter of the 91 MB in 32 bits"


def test_a_setfit_of_other_labels_is_refused(voices, held_out):
    fused, setfit, train, _ = voices
    words = GenreClassifier.of(fused, train)
    words.classes_ = np.array([*words.classes_, "Zen"])
    with pytest.raises(ValueError, match=f"SetFit was fitted on {len(fused.genres)} of {len(fused.genres) + 1} labels"):
        words.pooled_with(setfit, "tuned encoder", train, held_out)
