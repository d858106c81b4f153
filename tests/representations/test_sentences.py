"""Story embeddings, the lexical baseline and SetFit, with the real small encoder.

Written for: encoders that silently read the first 256 word pieces of a 1,200-piece story, and embeddings computed anew in every notebook.
"""

import numpy as np
import onnx
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from tokenizers.processors import TemplateProcessing
from transformers import ModernBertConfig, ModernBertModel

from helpers import models
from helpers.representations import lexical, sentences
from helpers.representations.lexical import with_title
from helpers.representations.onnx_export import Int8Encoder, export
from helpers.representations.scores import decision_scores
from helpers.representations.sentences import embed, encode
from helpers.representations.windows import columns_read, read_windows, split_windows

pytestmark = pytest.mark.number_types


@pytest.fixture
def encoder(run):
    return models.load_encoder(run, models.PACKAGED_ENCODER)


def test_windows_cover_the_story(encoder):
    model, _ = encoder
    text = " ".join(f"word{i}" for i in range(900))
    windows = split_windows(model, text)
    assert len(windows) > 3 and all(len(model.tokenizer(w)["input_ids"]) <= model.max_seq_length + 2 for w in windows)
    assert windows[0].startswith("word0 ") and split_windows(model, "") == [""]
    assert split_windows(model, "short") == ["short"]
    assert read_windows(model, text, "whole") == windows and read_windows(model, text, "ends") == [windows[0], windows[-1]]
    with pytest.raises(ValueError, match="whole, opening or ends"):
        read_windows(model, text, "middle")


def test_an_opening_is_found_without_reading_on(encoder, sample):
    """Also where words are far longer than usual, or no space parts them."""
    model, _ = encoder
    others = ["x" * 9000, "丿 " * 3000, "山川草木" * 2000, "-" * 5000 + " end", "a " * 300, " " * 4000 + "late " * 400, ""]
    for text in [*sample["text"].head(40), *others]:
        for model.max_seq_length in (16, 64, 256):
            assert read_windows(model, text, "opening") == split_windows(model, text)[:1]


def test_embeddings_are_unit_length_see_the_end_and_are_kept(run, encoder, monkeypatch):
    model, label = encoder
    long = "A sheriff rode into town. " * 80
    texts = [long, long + "The starship fired on the imperial fleet. " * 60, "A sheriff rode into town."]
    vectors = embed(run, model, label, texts)
    assert vectors.shape == (3, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] < 0.95  # the opening alone would give the same vector
    opening = embed(run, model, label, texts, reads="opening")
    assert opening[0] @ opening[1] > 0.999
    monkeypatch.setattr(model, "encode", lambda *a, **k: pytest.fail("embedded again"))
    assert (embed(run, model, label, texts) == vectors).all()
    ends = embed(run, model, label, texts, reads="ends")
    assert ends[0] @ ends[1] < 0.95 and not np.allclose(ends[1], vectors[1])


def test_8_bits_keep_the_direction_of_every_vector_whatever_stands_beside_it(run, encoder, sample):
    model, _ = encoder
    texts = [*sample["text"].head(40), *sample["title"].head(40), "", "rain"]
    small = Int8Encoder(model)
    vectors, whole = small.encode(texts), encode(run, model, texts)
    assert vectors.shape == (82, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = (vectors * whole).sum(axis=1)
    assert cosines.mean() > 0.98 and cosines[:-2].min() > 0.95
    assert not np.allclose(vectors, whole, atol=1e-3)  # it is another encoder
    assert (small.encode(texts[3:5]) == vectors[3:5]).all()
    np.testing.assert_allclose(export(model).encode(texts[:-2]), whole[:-2], atol=1e-4 if run.dtype == torch.float32 else 0.02)
    assert model.max_seq_length == 256
    model.tokenizer("A sheriff rode into town.", truncation=True, max_length=4)  # which its own file would tell from now on
    assert export(model).vocabulary == small.exported.vocabulary


def test_a_graph_leaves_out_the_masks_that_hide_nothing_and_keeps_all_others(encoder, tmp_path):
    """Masks for padding, of which there is none, cost a third of the time; sliding windows (ModernBERT) are masks too, and stay."""
    model, _ = encoder
    assert "Where" not in {node.op_type for node in onnx.load_from_string(export(model).graph).graph.node}
    places = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64, "local_attention": 8}
    torch.manual_seed(0)
    windowed = ModernBertModel(ModernBertConfig(vocab_size=len(model.tokenizer), initializer_range=0.5, **sizes, **places))
    windowed.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    windowed = SentenceTransformer(modules=[Transformer(str(tmp_path)), Pooling(32)], device="cpu")
    windowed.max_seq_length = 64
    text = "A sheriff rode into town and fired at nobody. " * 4
    whole = windowed.encode([text], normalize_embeddings=True)
    np.testing.assert_allclose(export(windowed).encode([text]), whole, atol=1e-4)


@pytest.mark.parametrize("build", [lexical.word_svm, lexical.character_svm])
def test_lexical_classifiers(sample, build):
    some = sample[sample["genre"].isin(["Western", "Space Opera"])]
    train, test = some[some["fold"] != 0], some[some["fold"] == 0]
    model = build().fit(train, train["genre"])
    scores = decision_scores(model, test)
    assert scores.shape == (len(test), 2)
    assert (np.array(model.classes_)[scores.argmax(1)] == model.predict(test)).all()
    assert (model.predict(test) == test["genre"]).mean() >= 0.75
    assert with_title(test.head(1).assign(title=""))[0] == test.iloc[0]["text"]


def test_the_frozen_encoder_reads_story_and_title_and_needs_no_cache(run, encoder, sample):
    model, label = encoder
    some = sample[sample["genre"].isin(["Western", "Space Opera", "Legal Drama"])]
    train, test = some[some["fold"] != 0], some[some["fold"] == 0]
    kept = sentences.frozen(run, model, label).fit(train, train["genre"])
    assert (kept.predict(test) == test["genre"]).mean() >= 0.8
    cache = {file: file.stat().st_mtime_ns for file in (run.workspace / "embeddings").glob("*.vectors")}
    afresh = sentences.frozen(run, model, label, keep=False).fit(train, train["genre"])
    np.testing.assert_allclose(afresh.decision_function(test), kept.decision_function(test), atol=1e-2)
    assert cache and cache == {file: file.stat().st_mtime_ns for file in cache}
    assert not np.allclose(kept.decision_function(test), kept.decision_function(test.assign(title="The Cattle Drive")))


def test_a_title_is_read_beside_the_text(sample):
    story = sample.iloc[[0]]
    assert columns_read(story, ("title", "ends")) == [([story.iloc[0]["title"]], "whole"), ([story.iloc[0]["text"]], "ends")]


def test_encoders_train_without_attention_dropout_on_a_cpu(encoder):
    model, _ = encoder
    config = model[0].auto_model.config
    assert config.hidden_dropout_prob > 0 and (model.device.type != "cpu" or config.attention_probs_dropout_prob == 0)


def test_a_text_without_a_token_has_a_vector_whatever_the_tokenizer_adds(run, encoder):
    """Titles that are not there, and a tokenizer that puts no marks of its own around a text."""
    model, label = encoder
    texts = ["", "A sheriff rode into town.", " \n"]
    before = encode(run, model, texts)
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1, atol=1e-5)  # this one reads its own marks
    model.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B")
    for bare in (model, Int8Encoder(model)):
        vectors = encode(run, bare, texts)
        assert np.isfinite(vectors).all() and vectors[[0, 2]].tolist() == np.zeros((2, 384)).tolist()
        assert np.linalg.norm(vectors[1]) == pytest.approx(1, abs=1e-3)
        assert encode(run, bare, ["", " "]).shape == (2, 384)


def test_what_is_only_looked_up_leaves_the_cache_as_it_was(run, encoder):
    """Answers of a run that was cut off, of which more are to come: kept now, they would be other numbers than those of an undisturbed run."""
    model, label = encoder
    texts = ["A sheriff rode into town.", "A starship fired on the fleet, and its captain laughed."]
    looked = embed(run, model, label, texts[:1], add=False)
    assert not list((run.workspace / "embeddings").glob("*.vectors"))
    kept = embed(run, model, label, texts)
    np.testing.assert_allclose(looked[0], kept[0], atol=1e-5)
    assert (embed(run, model, label, texts[:1], add=False) == kept[:1]).all()
