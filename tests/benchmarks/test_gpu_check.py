"""The check for a GPU, as far as a CPU can hold it to its word; `make gpu-check DEVICE=cpu` runs all of it, and CI runs that.

Written for: a profile for a T4 on which not one cell had ever run.
"""

import dataclasses
import json
import sys
import zipfile

import pandas as pd
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM

from helpers import models, runtime
from helpers.benchmarks.gpu import check, correctness, encoders, gather, standins, training
from helpers.benchmarks.gpu.kept import read_gpu_check
from helpers.benchmarks.gpu.notebooks import read_log
from helpers.benchmarks.gpu.sizes import CUT, FULL
from helpers.config import PROFILES
from helpers.llm.check import qwen_config
from helpers.workspace import write_json


@pytest.fixture
def t4(tmp_path, tokenizer):
    """A run of the profile `t4`, whose LLM is tiny."""
    llm = standins.save_llm(tmp_path / "llm", tiny=True)
    return runtime.start("t4", str(tmp_path / "workspace"), llm=llm)


@pytest.mark.parametrize(
    ("config", "millions"),
    [(qwen_config(), 1543.7), (standins.mpnet(), 109.5), (standins.embeddinggemma(), 302.9)],
    ids=["Qwen2.5-1.5B", "mpnet", "EmbeddingGemma"],
)
def test_stand_ins_have_the_published_number_of_weights(config, millions):
    kind = AutoModelForCausalLM if config.model_type == "qwen2" else AutoModel
    with torch.device("meta"):
        assert kind.from_config(config).num_parameters() / 1e6 == pytest.approx(millions, rel=2e-3)


def test_every_model_of_the_profile_has_a_tiny_one_that_is_found_before_the_hub(tmp_path, monkeypatch):
    standins.save_all_tiny(tmp_path / "models")
    monkeypatch.setenv("MODELS_FOLDER", str(tmp_path / "models"))
    monkeypatch.setattr(models, "hub_answers", lambda: pytest.fail("the Hub was asked"))
    run = runtime.start("t4", str(tmp_path / "workspace"))
    for name in (run.profile.encoder, run.profile.large_encoder, models.PACKAGED_ENCODER):
        encoder, label = models.load_encoder(run, name)
        assert label == name and encoder.max_seq_length == 512
        assert encoder.encode(["a story"]).shape == (1, 64)
    tokenizer, _ = models.load_tokenizer(run)
    assert models.load_llm(run, tokenizer).config.hidden_size == 64


@pytest.mark.parametrize("approach", [training.HEAD, training.ANSWER])
def test_a_way_of_training_leaves_its_figures_and_no_adapter(t4, approach):
    ways = [(32, True, False), (32, False, True)]
    tuned, seeds = training._measure(t4, CUT, approach, "fp16", ways, lambda: 1)
    assert tuned["seconds a step"] == pytest.approx(tuned["seconds a story"] * 8)
    assert seeds["seconds a step"] == pytest.approx(seeds["seconds a story"] * 16)
    epochs = PROFILES["t4"].seqcls_epochs if approach == training.HEAD else PROFILES["t4"].instruct_epochs
    for row in (tuned, seeds):
        assert row["minutes of the notebook"] > row["seconds a story"] * training.ROWS * epochs / 60 and row["peak GB"] > 0.1
        assert row["weights"] == "float32" and row["remark"] == ""
    assert seeds["recipe"] == "seed's: padded to the limit" and tuned["checkpointing"] and not seeds["checkpointing"]


def test_what_does_not_fit_is_said_and_the_next_is_measured(t4, monkeypatch):
    real, calls = training.time_steps, []

    def scarce(*given, **options):
        calls.append(given)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*given, **options)

    monkeypatch.setattr(training, "time_steps", scarce)
    first, second = training._measure(t4, CUT, training.ANSWER, "fp16", [(64, False, False), (32, True, False)], lambda: 1)
    assert first["remark"] == "does not fit" and "seconds a step" not in first
    assert second["remark"] == "" and second["seconds a step"] > 0


def test_an_encoder_that_does_not_fit_is_said():
    def too_large():
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert encoders._guarded(too_large, 1, lambda: 1) == {"remark": "does not fit"}
    assert encoders._guarded(too_large, 1, lambda: -1) == {"remark": "not run: out of time"}


def test_what_there_is_no_time_for_is_said(t4):
    rows = training._measure(t4, CUT, training.HEAD, "fp16", [(32, True, False)] * 2, lambda: -1)
    assert [row["remark"] for row in rows] == ["not run: out of time"] * 2


def test_batches_are_what_the_notebooks_train_on(t4):
    tokenizer, _ = models.load_tokenizer(t4)
    examples = [training._example(length, training.ANSWER, 300) for length in (5, 9)]
    batch = training._collate(tokenizer, examples, training.ANSWER)
    assert batch["input_ids"].shape == batch["labels"].shape == (2, 9 + training.AROUND + 4)
    assert batch["attention_mask"].sum(1).tolist() == [len(e["input_ids"]) for e in examples]  # padded on the left
    assert (batch["labels"] != -100).sum(1).tolist() == [4, 4] and batch["labels"][:, -1].min() >= 10
    assert FULL.tokens[0] == PROFILES["t4"].story_tokens and [FULL.scale(length) for length in training.LENGTHS] == list(
        training.LENGTHS
    )


def test_the_overflow_of_fp16_is_seen_and_met(t4, tmp_path):
    half = dataclasses.replace(t4, dtype=torch.float16)
    gemma = standins.save_gemma(tmp_path / "gemma")
    assert correctness.overflow_is_told(half, gemma)[0]
    passed, figure = correctness.gemma_is_finite(correctness._with(half, llm=gemma))
    assert passed and figure.startswith("gemma (") and ", fp32:" in figure
    assert not correctness.overflow_is_told(half, t4.profile.llm)[0]  # a model that does not overflow would show nothing


def test_gradients_are_looked_at_after_the_scaler(t4):
    half = dataclasses.replace(t4, dtype=torch.float16)  # fp16 on a CPU: slow, and the same arithmetic
    passed, figure = correctness.finite_gradients(half)
    assert passed and "factor 1 " not in figure


def test_a_check_that_raises_has_failed_and_the_others_are_made(t4, monkeypatch, tmp_path):
    monkeypatch.setattr(correctness, "_checks", lambda run, folder: [("bad", lambda: 1 / 0), ("good", lambda: (True, "fine"))])
    table = correctness.check(t4, tmp_path)
    assert table["passed"].tolist() == [False, True] and "ZeroDivisionError" in table["figure"][0]


def test_a_failed_part_ends_with_an_error_and_the_others_are_kept(tmp_path, monkeypatch, capsys):
    table = pd.DataFrame({"check": ["one", "two"], "passed": [True, False], "figure": ["a", "b"]})
    monkeypatch.setattr(correctness, "check", lambda run, folder: table)
    monkeypatch.setattr(encoders, "memory_together", lambda *given: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["x", "--device", "cpu", "--workspace", str(tmp_path), "--only", "correctness", "memory"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SystemExit) as stopped:
        check.main()
    assert stopped.value.code == 1 and "failed: correctness: two; memory: ZeroDivisionError" in capsys.readouterr().out
    facts = json.loads((tmp_path / "results" / "gpu_check" / "facts.json").read_text())
    assert facts["rehearsal"] and facts["profile"] == "t4" and facts["failed"][0] == "correctness: two"
    assert pd.read_csv(tmp_path / "results" / "gpu_check" / "correctness.csv").equals(table)


def test_a_rehearsal_is_never_shown_as_a_gpus(tmp_path):
    run = runtime.start("t4", str(tmp_path))
    assert read_gpu_check(run) is None
    folder = tmp_path / "results" / "gpu_check"
    write_json(folder / "facts.json", {"rehearsal": True, "device": "CPU"})
    pd.DataFrame({"seconds a step": [1.0]}).to_csv(folder / "training.csv", index=False)
    assert read_gpu_check(run) is None
    write_json(folder / "facts.json", {"rehearsal": False, "device": "Tesla T4, 16 GB"})
    tables, facts = read_gpu_check(run)
    assert list(tables) == ["training"] and facts["device"] == "Tesla T4, 16 GB"


def test_without_a_card_it_says_what_to_do(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    with pytest.raises(SystemExit, match="no CUDA card here.*DEVICE=cpu"):
        check.run_check("cuda", 60, 15, ("memory",), tmp_path)


def test_the_series_is_read_from_what_it_printed():
    began = "=== 01_clean   (0:00 so far)\nbla\n=== 02_paraphrase   (0:12 so far)\n"
    ended = read_log(began + "=== done in 1:01:30\n")
    assert ended["notebook"].tolist() == ["01_clean", "02_paraphrase"]
    assert ended["passed"].all() and ended["seconds"].tolist() == [12, 3678]
    failed = read_log(began + "KeyError", "02_paraphrase: KeyError")
    assert failed["passed"].tolist() == [True, False] and failed["remark"][1] == "02_paraphrase: KeyError"
    assert not read_log("", "it did not start")["passed"].any()


def test_what_a_bare_machine_lacks_is_gathered(tmp_path):
    """From the index, for another Python than this one; all but two small packages are there already."""
    everything = gather.lacking({}, "3.12")
    assert {"transformers", "papermill", "ipykernel", "bitsandbytes", "setfit"} <= set(everything)
    assert not {name for name in everything if gather.LEFT_ALONE.fullmatch(name)}
    have = tmp_path / "have.txt"
    have.write_text(
        "\n".join(f"{name}=={version}" for name, version in everything.items() if name not in ("groq", "papermill"))
    )
    packages = gather.lacking(gather.read_have(have), "3.12")
    assert packages == {name: everything[name] for name in ("groq", "papermill")}
    assert gather.gather(packages, tmp_path / "pack", "3.12", 5) == {}
    assert sorted(wheel.name.split("-")[0] for wheel in (tmp_path / "pack").iterdir()) == ["groq", "papermill"]
    with pytest.raises(RuntimeError, match="MB of wheels are needed.*--have"):
        gather.gather(packages, tmp_path / "pack", "3.12", 0.01)


def test_what_is_there_in_another_version_is_told_when_nothing_goes_with_it():
    with pytest.raises(RuntimeError, match="does not go together"):
        gather.lacking({"numpy": "1.20.0"}, "3.12")


def test_lists_of_packages_are_read_in_any_form(tmp_path):
    file = tmp_path / "have.txt"
    file.write_text("Torch==2.11.0+cu130\nhuggingface_hub==1.33.0\nscipy\nPillow    11.3.0\n# a remark\n\nlocal @ file:///x\n")
    assert gather.read_have(file) == {
        "torch": "2.11.0",
        "huggingface-hub": "1.33.0",
        "scipy": "",
        "pillow": "11.3.0",
        "local": "",
    }


def test_bitsandbytes_travels_without_libraries_of_other_devices(tmp_path):
    wheel = tmp_path / "bitsandbytes-1-py3-none-any.whl"
    names = [
        "__init__.py",
        *(f"libbitsandbytes_{kind}.so" for kind in ("cpu", "cuda118", "cuda130", "cuda132", "rocm70", "xpu2026")),
    ]
    with zipfile.ZipFile(wheel, "w") as whole:
        for name in names:
            whole.writestr(f"bitsandbytes/{name}", name)
    gather.slim(wheel)
    with zipfile.ZipFile(wheel) as slimmer:
        assert slimmer.namelist() == [f"bitsandbytes/{name}" for name in names if "rocm" not in name and "xpu" not in name]
    gather.slim(wheel, "13")
    with zipfile.ZipFile(wheel) as slimmer:
        kept = [name.removeprefix("bitsandbytes/") for name in slimmer.namelist()]
    assert kept == ["__init__.py", "libbitsandbytes_cpu.so", "libbitsandbytes_cuda130.so", "libbitsandbytes_cuda132.so"]
