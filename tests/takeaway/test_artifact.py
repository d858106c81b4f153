"""The classifier as a folder: the same answers as in memory, nothing that runs code, and one clear error for whatever is wrong with it.

Written for: a best classifier that lived in the kernel that had trained it, so that nobody could use it.
"""

import io
import json
import pickle
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import skops.io
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from helpers import models
from helpers.config import PROJECT
from helpers.fewshot.fusion import FusedClassifier
from helpers.representations import lexical, sentences, states
from helpers.takeaway import GenreClassifier, heads
from helpers.takeaway.readers import base_model


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_the_loaded_one_answers_as_the_one_in_memory_bit_by_bit(classifier, loaded, fitted):
    fused, _, others = fitted
    texts, titles = others["text"].tolist(), others["title"].tolist()
    in_memory = classifier.predict_proba(texts, titles)
    assert (loaded.predict_proba(texts, titles) == in_memory).all()
    assert (loaded.predict(texts, titles) == classifier.classes_[in_memory.argmax(axis=1)]).all()
    np.testing.assert_allclose(
        loaded.predict_proba(texts[5:6], titles[5:6]), in_memory[5:6], atol=1e-6
    )  # whatever stands beside it
    # Before calibration it is what notebook 06 judges.
    np.testing.assert_allclose(
        np.exp(loaded.logits(others) - np.log(np.exp(loaded.logits(others)).sum(axis=1, keepdims=True))),
        fused.predict_proba(others),
        atol=1e-6,
    )
    assert (classifier.predict(texts, titles) == others["genre"]).mean() >= 0.6


def test_the_same_classifier_is_the_same_bytes(fitted):
    fused, _, others = fitted
    table = others.assign(title="").reset_index(drop=True)
    held = [heads.to_bytes(lexical.word_svm().fit(table, table["genre"])[1:]) for _ in range(2)]
    schema = zipfile.ZipFile(io.BytesIO(held[0])).read("schema.json").decode()
    assert held[0] == held[1] and "_stop_words_id" in schema and not re.search(r"\d{12}", schema)  # no place in memory
    found = heads.from_bytes(held[0], "head.skops").decision_function(table["text"].tolist())
    assert (found == lexical.word_svm().fit(table, table["genre"]).decision_function(table)).all()


def test_scikit_learns_habits(loaded, fitted):
    _, train, others = fitted
    assert loaded.classes_.tolist() == sorted(train["genre"].unique())
    probabilities = loaded.predict_proba(others["text"])  # a pandas column, no titles
    assert probabilities.shape == (len(others), 6) and probabilities.sum(axis=1) == pytest.approx(np.ones(len(others)))


def test_the_folder_is_small_and_holds_nothing_that_could_run(folder):
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert sum(path.stat().st_size for path in files.values()) < 100e6
    assert {path.suffix for path in files.values()} == {".json", ".md", ".onnx", ".safetensors", ".skops"}
    for path in files.values():
        assert not path.read_bytes().startswith(b"\x80"), f"{path.name} is a pickle"
    assert set(json.loads(files["config.json"].read_text())["files"]) == set(files) - {"config.json", "README.md"}


def test_the_card_has_the_form_of_the_hub_and_names_its_base_model(folder):
    front, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)[1:]
    head = yaml.safe_load(front)
    result = head["model-index"][0]["results"][0]
    assert result["dataset"]["split"] == "five_fold" and result["dataset"]["revision"] == "0" * 64
    assert {metric["type"]: metric["value"] for metric in result["metrics"]}["accuracy"] == 0.7
    assert head["base_model"] in (models.PACKAGED_ENCODER, [models.PACKAGED_ENCODER])
    assert "Apache-2.0" in text and "CC0" in text and "70.0% ± 2.0%" in text and "not for" in text


def test_it_needs_no_torch_no_transformers_and_no_network(folder, classifier):
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'transformers', 'sentence_transformers', 'setfit', 'datasets', 'huggingface_hub'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from helpers.takeaway import GenreClassifier\n"
        f"print(GenreClassifier.load({str(folder)!r}).predict_proba(['The judge called the jury back.'])[0].tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == classifier.predict_proba(["The judge called the jury back."])[0].tolist()


def test_saving_again_replaces_it_and_nothing_else(classifier, copy, tmp_path):
    (copy / "stale.bin").write_bytes(b"x")
    classifier.save(copy)
    assert not (copy / "stale.bin").exists() and GenreClassifier.load(copy).classes_.tolist() == classifier.classes_.tolist()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="thesis holds something that is no classifier"):
        classifier.save(other)


def rewrite(folder, change):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(config)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def put(folder, name, content: bytes):
    """Exchange a file, and its hash with it, as somebody would who means harm."""
    import hashlib

    (folder / name).write_bytes(content)
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    rewrite(folder, lambda config: config["files"].update({name: facts}))


BROKEN = {
    "no such folder": (lambda f: shutil.rmtree(f), "neither a folder here nor a name"),
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "another kind of config": (lambda f: (f / "config.json").write_text('{"model_type": "bert"}'), "of another kind"),
    "a config cut short": (lambda f: (f / "config.json").write_text('{"format": 1,'), "cannot be read"),
    "a newer version": (lambda f: rewrite(f, lambda c: c.update(format=2)), "version 2 .* reads version 1. Update"),
    "an older version": (lambda f: rewrite(f, lambda c: c.update(format=0)), "version 0 .* Save it again"),
    "a file that was changed": (lambda f: (f / "1-words" / "head.skops").open("ab").write(b"x"), "head.skops was changed since it was saved"),
    "a file that is missing": (lambda f: (f / "2-opening" / "encoder.onnx").unlink(), "lacks its file 2-opening/encoder.onnx"),
    "a file elsewhere": (lambda f: rewrite(f, lambda c: c["files"].update({"../../etc/passwd": {"sha256": "", "bytes": 1}})), "cannot be one"),
    "a pickle for a head": (lambda f: put(f, "1-words/head.skops", pickle.dumps([1])), "is no skops file"),
    "an encoder that is none": (lambda f: put(f, "2-opening/encoder.onnx", b"x"), "'opening' cannot be loaded"),
    "a tokenizer that is none": (lambda f: put(f, "2-opening/tokenizer.json", b"{}"), "'opening' cannot be loaded"),
    "tensors that are none": (lambda f: put(f, "tensors.safetensors", b"x"), "not as this project writes it"),
    "an unknown reader": (lambda f: rewrite(f, lambda c: c["parts"][0]["reads"].update(kind="telepathy")), "'telepathy', which this version"),
    "a model from elsewhere": (lambda f: rewrite(f, lambda c: c["parts"][1]["reads"].update(model="../evil")), "'../evil', which is no name"),
    "a part without its say": (lambda f: rewrite(f, lambda c: c["parts"][0].pop("reads")), "not as this project writes it"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_whatever_is_wrong_with_it_is_one_clear_error(copy, what):
    change, message = BROKEN[what]
    change(copy)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        GenreClassifier.load(copy)


def test_a_type_that_is_not_trusted_is_never_built(copy, monkeypatch):
    ran = []
    forest = RandomForestClassifier(n_estimators=1).fit([[0], [1]], [0, 1])
    with pytest.raises(TypeError, match="RandomForestClassifier.* cannot be saved"):
        heads.to_bytes(make_pipeline(forest))
    function = skops.io.dumps(FunctionTransformer(func=np.negative))
    monkeypatch.setattr(skops.io, "loads", lambda *a, **k: ran.append(a))
    for held in (skops.io.dumps(forest), function):
        put(copy, "1-words/head.skops", held)
        with pytest.raises(ValueError, match="not among the trusted types"):
            GenreClassifier.load(copy)
    assert not ran


def test_a_method_call_hidden_in_a_skops_file_is_refused(copy, tmp_path):
    file = copy / "1-words" / "head.skops"
    with zipfile.ZipFile(file) as held:
        content = {name: held.read(name) for name in held.namelist()}
    schema = json.loads(content["schema.json"])
    schema["content"]["content"]["evil"] = {
        "__class__": "dict", "__module__": "builtins", "__loader__": "MethodNode", "content": {"func": "__class__", "obj": None},
    }  # fmt: skip
    content["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as changed:
        for name, held in content.items():
            changed.writestr(name, held)
    put(copy, "1-words/head.skops", (tmp_path / "evil.zip").read_bytes())
    with pytest.raises(ValueError, match="builtins.dict through MethodNode"):
        GenreClassifier.load(copy)


@pytest.mark.number_types
def test_named_models_are_looked_for_and_read_as_before(fitted, run, tmp_path, monkeypatch, tokenizer):
    """The accurate classifier's kinds of parts: an encoder and a language model that are named, not copied."""
    from tiny_models import causal

    _, train, others = fitted
    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)
    llm = tmp_path / "models" / "unit-test-llm"
    monkeypatch.setattr(models, "models_folder", lambda: tmp_path / "models")
    causal(tokenizer).save_pretrained(llm)
    tokenizer.save_pretrained(llm)
    tiny = models.load_llm(run, tokenizer, "unit-test/unit-test-llm")
    parts = {
        "words": lexical.word_svm(),
        "encoder": sentences.frozen(run, encoder, label),
        "language model": states.frozen(run, "unit-test/unit-test-llm (dequantized)", tokenizer, lambda: tiny, 24),
    }
    fused = FusedClassifier(parts).fit(train, lambda ids: train[train["story_id"].isin(ids)])
    fused._weights = dict.fromkeys(parts, 0.5)
    monkeypatch.setattr(fused, "weights", lambda: fused._weights)
    made = GenreClassifier.of(fused, train)
    folder = made.save(tmp_path / "accurate")
    assert not list(folder.rglob("*.onnx")) and sum(path.stat().st_size for path in folder.rglob("*.*")) < 5e6
    texts, titles = others["text"].head(4).tolist(), others["title"].head(4).tolist()
    again = GenreClassifier.load(folder)
    assert (again.predict_proba(texts, titles) == made.predict_proba(texts, titles)).all()
    other = causal(tokenizer)
    other.model.embed_tokens.weight.data.normal_()
    other.save_pretrained(llm)
    with pytest.raises(ValueError, match="'language model' reads otherwise than when it was saved"):
        GenreClassifier.load(folder)
    shutil.rmtree(llm)
    monkeypatch.setattr(models, "hub_answers", lambda: False)
    with pytest.raises(
        OSError, match="'language model' reads with the model unit-test/unit-test-llm, which cannot be loaded here"
    ):
        GenreClassifier.load(folder)


def test_a_label_of_a_model_is_traced_to_its_name():
    assert base_model("unsloth/gemma-3-270m (Q4_K_M, dequantized), NF4") == "unsloth/gemma-3-270m"
    assert base_model(f"{models.PACKAGED_ENCODER}, int8") == models.PACKAGED_ENCODER
