"""Wrong values of notebook parameters: one line that lists what is allowed, before anything is loaded.

Written for: `FOUR_BIT="False"`, which is true; `SOURCES="original"`, which was read letter by letter; `QUESTIONS=0`, which ended in `need at least one array to
stack` after all training; and `EPOCHS="2"`, found out by a trainer an hour later; and `TRIALS=[{"nonsense": 1}]`, by the second training, after the first.
"""

import ast
import inspect

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import allowed, config
from helpers.config import PROJECT
from helpers.llm import train_lora
from helpers.representations.states import READS

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
WRONG = [
    ({"PROFILE": "gpu"}, "PROFILE = 'gpu' is not allowed: one of 'auto', 'smoke', 'cpu', 't4'"),
    ({"PROFILE": None}, "one of 'auto', 'smoke'"),
    ({"DTYPE": "float16"}, "one of 'auto', 'fp32', 'bf16', 'fp16'"),
    ({"SEED": 1.5}, "a whole number from 0"),
    ({"SEED": -1}, "a whole number from 0"),
    ({"SEED": True}, "a whole number from 0"),
    ({"WORKSPACE": ""}, "a folder, or None"),
    ({"WORKSPACE": 3}, "a folder, or None"),
    ({"STORIES_CSV": 7}, "the path of a CSV, TSV, JSON lines or Parquet file, or None"),
    ({"STORIES_CSV": "a.csv", "HUB_DATASET": "a/b"}, "STORIES_CSV and HUB_DATASET both name a dataset"),
    ({"HUB_SPLIT": None}, "the name of a split"),
    ({"TEXT_COLUMN": 0}, "the name of a column, or None ('story' or 'text')"),
    ({"TITLE_COLUMN": True}, "the name of a column, or None ('title', where there is one), or 0 (none is read)"),
    ({"GENRES": 1}, "a whole number from 2 on, or None"),
    ({"GENRES": "12"}, "a whole number from 2 on"),
    ({"DROP_PROMPTS": "False"}, "True or False"),
    ({"PROVIDER": "openai"}, "one of 'auto', 'groq', 'local', 'recorded'"),
    ({"MODELS": "llama-3.1-8b-instant"}, "a list of model names"),
    ({"MODELS": []}, "a list of model names"),
    ({"BASE_URL": "api.groq.com"}, "an address such as 'https://"),
    ({"TARGET": -1}, "a whole number from 0 on"),
    ({"WORDS": 0}, "a whole number from 20 to 3,000"),
    ({"MOST_TOKENS": 1e5}, "a whole number from 0 on, or None (no bound)"),
    ({"VARIANT": "tune"}, "one of 'tuned', 'seed'. Is 'tuned' meant?"),
    ({"LLM": ""}, "a model on the Hugging Face Hub or a folder"),
    ({"STORY_TOKENS": 0}, "a whole number from 8 on"),
    ({"EPOCHS": 0}, "a number above 0"),
    ({"EPOCHS": "2"}, "a number above 0"),
    ({"EPOCHS": float("nan")}, "a number above 0"),
    ({"FOUR_BIT": "False"}, "FOUR_BIT = 'False' is not allowed: True or False"),
    ({"GRADIENT_CHECKPOINTING": "yes"}, "True or False, or None"),
    ({"SOURCES": "original"}, "a list of one or more of 'original', 'chunk'"),
    ({"SOURCES": ["original", "synthetics"]}, "Is 'synthetic' meant?"),
    ({"SOURCES": []}, "a list of one or more of"),
    ({"TRIALS": {"alpha": 64}}, "a list of changes such as"),
    ({"TRIALS": [{}]}, "a list of changes such as"),
    ({"SETFIT_TRIALS": ["titles"]}, "a list of changes such as"),
    ({"FIVE_FOLDS": [5]}, "True, False, or a list of folds such as [0, 3]"),
    ({"SETFIT_FOLDS": "all"}, "True, False, or a list of folds"),
    ({"QUESTIONS": -3}, "a whole number from 0 on"),
    ({"QA_EXAMPLES": 1.5}, "a whole number from 0 on, or None (the profile's, and none with the seed's recipe)"),
    ({"ENCODER": 0}, "a model on the Hugging Face Hub or a folder"),
    ({"SETFIT_ITERATIONS": -1}, "a whole number from 0 on"),
    ({"SAVE_MINUTES": 0}, "a number of minutes above 0"),
    ({"WORKSPACE": "a\0b"}, "a folder, or None"),
    ({"WORKSPACE": ["a"]}, "a folder, or None"),
    ({"LLM": "a\0b"}, "a model on the Hugging Face Hub or a folder"),
    ({"SOURCES": np.array(["original"])}, "a list of one or more of"),
    ({"LARGE_ENCODER": np.array([1, 2])}, "a model on the Hugging Face Hub or a folder"),
    ({"TITLE_COLUMN": pd.DataFrame({"a": [1]})}, "the name of a column"),
    ({"STORIES_CSV": pd.DataFrame({"a": [1]})}, "the path of a CSV"),
    ({"TRIALS": [{"nonsense": 1}]}, "nothing called 'nonsense' to change in this recipe. There are epochs, learning_rate"),
    ({"TRIALS": [{"lerning_rate": 1e-4}]}, "Is 'learning_rate' meant?"),
    (
        {"TRIALS": [{"use_dora": True}, {"learning_rate": "fast"}]},
        "TRIALS: learning_rate = 'fast' is not allowed: a number above 0",
    ),
    ({"TRIALS": [{"epochs": 0}]}, "epochs = 0 is not allowed"),
    ({"TRIALS": [{"reads": ["first"]}]}, "a list of one or more of 'opening', 'mean', 'last'"),
    ({"TRIALS": [{"reads": ["last"]}], "QA_EXAMPLES": 0}, "nothing called 'reads'"),
    ({"TRIALS": [{"qa_examples": 10}]}, "nothing called 'qa_examples'"),
    ({"TRIALS": [{"qa_examples": -1}], "QA_EXAMPLES": None}, "qa_examples = -1 is not allowed: a whole number from 0 on"),
    ({"TRIALS": [{"task_type": "CAUSAL_LM"}]}, "nothing called 'task_type'"),
    ({"SETFIT_TRIALS": [{"nonsense": 1}]}, "There are sources, column, titles"),
    ({"SETFIT_TRIALS": [{"output_dir": "x"}]}, "nothing called 'output_dir'"),
    ({"SETFIT_TRIALS": [{"column": "story"}]}, "SETFIT_TRIALS: column = 'story' is not allowed: one of 'text', 'text_clean'"),
    ({"SETFIT_TRIALS": [{"batch_size": 1}]}, "a whole number from 2 on"),
]


@pytest.mark.parametrize(("values", "said"), WRONG, ids=[str(values)[:60] for values, _ in WRONG])
def test_a_wrong_value_gets_one_line_that_lists_what_is_allowed(values, said):
    with pytest.raises(allowed.ParameterError) as caught:
        allowed.check(values)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value._render_traceback_() == [str(caught.value)]  # what IPython shows in place of a traceback


def test_what_a_trial_may_change_is_what_the_training_takes():
    takes = {name for name, about in inspect.signature(train_lora).parameters.items() if about.kind is about.KEYWORD_ONLY}
    names = allowed._LORA.keys() | allowed._HEAD.keys()
    assert takes - {"validation", "lines", "resume"} <= names
    allowed.check({"TRIALS": [{"reads": list(READS)}, {"rank_pattern": {"q_proj": 4}, "init_lora_weights": "pissa"}]})
    allowed.check({"SETFIT_TRIALS": [{"titles": 0, "reads": [], "samples_per_label": 3, "loss": "SupConLoss"}]})
    grid = yaml.safe_load((PROJECT / "grids" / "recorded.yaml").read_text())
    parts = [(run["notebook"], part) for run in grid["runs"] for part in _parts(run) if isinstance(part, dict)]
    trials = [(of, name, part[name]) for of, part in parts for name in part.keys() & {"TRIALS", "SETFIT_TRIALS"}]
    assert {of for of, *_ in trials} == {"04_seqcls_lora", "06_setfit"}
    for _, name, value in trials:
        for changes in _lists_of_changes(value):
            allowed.check({name: changes})


def _parts(value):
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(inner)


def _lists_of_changes(value):
    """A grid gives a parameter one value or a list of values, and here a value is a list."""
    return [value] if all(isinstance(change, dict) for change in value) else value


def test_a_key_in_the_wrong_place_is_not_repeated():
    for values in (
        {"BASE_URL": "gsk_abcdefgh12345678"},
        {"MODELS": "sk-abcdefgh12345678"},
        {"PROVIDER": "hf_abcdefgh12345678"},
    ):
        with pytest.raises(allowed.ParameterError, match=r"'\[key\]' is not allowed") as caught:
            allowed.check(values)
        assert "abcdefgh" not in str(caught.value)


def test_all_wrong_values_are_told_at_once():
    with pytest.raises(allowed.ParameterError) as caught:
        allowed.check({"PROFILE": "gpu", "EPOCHS": 0, "SEED": 42})
    assert len(str(caught.value).splitlines()) == 2


def test_zero_means_none_wherever_it_can():
    none = {"QUESTIONS": 0, "TARGET": 0, "MOST_REQUESTS": 0, "MOST_TOKENS": 0, "QA_EXAMPLES": 0, "TRIALS": 0, "SETFIT_TRIALS": 0, "LARGE_ENCODER": 0}  # fmt: skip
    allowed.check(none | {"TITLE_COLUMN": 0, "ID_COLUMN": 0, "FIVE_FOLDS": 0, "FOUR_BIT": 0, "SETFIT_FOLDS": 0})
    assert config.get_profile("cpu", large_encoder=0).large_encoder is None
    assert config.get_profile("cpu", large_encoder=None).large_encoder and config.get_profile("cpu", questions=0).questions == 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_looks_at_all_of_its_parameters_before_it_starts(path):
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    [parameters] = [cell.source for cell in code if "parameters" in cell.metadata.get("tags", [])]
    values: dict = {}
    exec(parameters, values)
    named = {target.id for node in ast.parse(parameters).body for target in node.targets}
    assert named <= set(allowed.ALLOWED)
    allowed.check(values)
    [start] = [cell.source for cell in code if "runtime.start(" in cell.source]
    assert start.index("allowed.check(globals())") < start.index("runtime.start(")
