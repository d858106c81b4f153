"""Trainings that are cut off: which checkpoint they go on from, that they end as if nothing had happened, and what they leave behind.

Written for: a runtime that died while a checkpoint was written, after which every run stopped with `trainer_state.json` missing until somebody deleted
the folder by hand; a training that read other batches after it went on; 260 MB of checkpoint beside a finished model of 88 MB.
"""

import json
import resource
import shutil

import pandas as pd
import pytest
import torch
from tiny_models import GENRES, lora_config, with_head

from helpers import checkpoints, runtime, training
from helpers.benchmarks.gpu.standins import build_tokenizer
from helpers.llm import lora
from helpers.representations import tokens
from helpers.runtime import keeps_random_state
from helpers.training import Training
from helpers.workspace import DiskFull, DriveGone, write_json

STEPS = 12  # three epochs of four
CLOSED = {"seconds": 0, "peak_process_gb": 0, "peak_gpu_gb": None, "device": ""}


class Killed(Exception):
    """Stands for the runtime's end."""


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture
def train(tokenizer, monkeypatch):
    """Function that trains, in a run, until a step after which the runtime dies (None: to the end); `options` of `train_lora`."""
    table = pd.DataFrame(
        {"genre": GENRES * 4, "text": [f"story {n} of the sea {'and ship ' * (n % 5)}" for n in range(16)], "title": ""}
    )
    examples = tokens.classification_examples(tokenizer, table.assign(story_id="x"), 24, GENRES)

    def train(run, dies_after=None, do=None, at="on_step_end", **options):
        def strike(self, args, state, control, **kwargs):
            if state.global_step == dies_after:
                if do is None:
                    raise Killed
                do()

        for moment in ("on_step_begin", "on_step_end"):
            what = strike if moment == at else lambda *_, **__: None
            monkeypatch.setattr(training._Progress, moment, what, raising=False)
        config = lora_config("SEQ_CLS")
        config.lora_dropout = 0.1
        options = {"epochs": 3, "learning_rate": 1e-3, "batch_size": 2, "accumulation": 2, "validation": examples[:5]} | options
        torch.manual_seed(1)
        return lora.train_lora(run, "cut", with_head(tokenizer), tokenizer, config, examples, **options)

    return train


@pytest.fixture
def every_step(tmp_path):
    """A run that saves after every step."""
    return runtime.start("smoke", str(tmp_path / "every"), save_minutes=0)


def weights(adapter) -> bytes:
    return (adapter / "adapter_model.safetensors").read_bytes()


def without_times(log: list[dict]) -> list[dict]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in log]


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.number_types
@pytest.mark.parametrize("validated", [True, False])
def test_a_training_that_was_cut_off_again_and_again_ends_as_if_nothing_had_happened(
    run, every_step, train, validated, number_type
):
    options = {} if validated else {"validation": None}
    _, _, log, whole = train(run, **options)
    for step in (2, 3, 4, 5, 9, 11):
        with pytest.raises(Killed):
            train(every_step, step, **options)
    model, cost, again, adapter = train(every_step, **options)
    assert weights(adapter) == weights(whole) and without_times(again) == without_times(log)
    assert [list(entry) for entry in again] == [list(entry) for entry in log], "in the order in which a log is shown"
    assert sum("validation_loss" in entry for entry in again) == (3 if validated else 0)


def test_it_goes_on_from_its_last_checkpoint_and_counts_the_time(every_step, train, capsys):
    with pytest.raises(Killed):
        train(every_step, 7)
    capsys.readouterr()
    _, cost, log, _ = train(every_step)
    assert "Continuing from checkpoint-6, after 0:0" in capsys.readouterr().out
    assert cost.seconds > log[5]["seconds"] > 0 and [entry["step"] for entry in log if "loss" in entry] == list(
        range(1, STEPS + 1)
    )


def test_it_saves_by_time(run, train):
    folders = lambda: sorted(path.name for path in run.workspace.glob("training/*/checkpoint-*"))  # noqa: E731
    with pytest.raises(Killed):
        train(run, 3, validation=None)
    assert folders() == [], "the profile's minutes are not over"
    run.profile = runtime.get_profile("smoke", save_minutes=0)
    with pytest.raises(Killed):
        train(run, 3, validation=None)
    assert folders() == ["checkpoint-2"]


def test_an_epoch_is_validated_before_it_is_saved(every_step, train):
    with pytest.raises(Killed):
        train(every_step, 5)  # the first step of the second epoch
    (state,) = every_step.workspace.glob("training/*/checkpoint-4/trainer_state.json")
    assert json.loads(state.read_text())["best_global_step"] == 4


def test_the_time_between_checkpoints_is_no_part_of_the_recipe(run, every_step):
    one, other = (Training(each, "x", {"a": 1}) for each in (run, every_step))
    assert one.folder.name == other.folder.name == "x-bce824d8", "trainings of earlier versions are found by this name"


# --- half a checkpoint --------------------------------------------------------------------------------------------------


@pytest.fixture
def cut_off(every_step, train):
    """Folder of a training that was cut off, with two whole checkpoints: the best one and the last one."""
    with pytest.raises(Killed):
        train(every_step, 7)
    (folder,) = every_step.workspace.glob("training/cut-*")
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-6"]
    return folder


FILES = [
    "trainer_state.json",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "adapter_model.safetensors",
    "adapter_config.json",
]


@pytest.mark.parametrize("keep", [None, 0.0, 0.5, 0.98], ids=["missing", "empty", "half", "nearly whole"])
@pytest.mark.parametrize("file", FILES)
def test_half_a_checkpoint_is_removed_and_the_last_whole_one_used(cut_off, file, keep, capsys):
    assert checkpoints.last_whole(cut_off).name == "checkpoint-6" and capsys.readouterr().out == ""
    broken = cut_off / "checkpoint-6" / file
    if keep is None:
        broken.unlink()
    else:
        content = broken.read_bytes()
        broken.write_bytes(content[: int(len(content) * keep)])
    if file == "adapter_config.json" and keep is None:
        return  # the trainer would write it first: there is no checkpoint that lacks it alone
    assert checkpoints.last_whole(cut_off).name == "checkpoint-4"
    said = capsys.readouterr().out
    assert f"checkpoint-6 of {cut_off.name} was half written (" in said and "removed" in said
    assert not (cut_off / "checkpoint-6").exists() and (cut_off / "checkpoint-4").exists()


def test_no_training_ends_with_a_best_checkpoint_that_is_not_there(cut_off):
    (cut_off / "checkpoint-4" / "trainer_state.json").unlink()
    assert checkpoints.last_whole(cut_off) is None, "the last one names it as the best so far"


def test_a_checkpoint_whose_writing_broke_off_costs_its_interval_and_nothing_else(cut_off, every_step, run, train, capsys):
    shutil.copytree(cut_off / "checkpoint-6", cut_off / "checkpoint-7")
    (cut_off / "checkpoint-7" / "trainer_state.json").unlink()
    _, _, _, adapter = train(every_step)
    said = capsys.readouterr().out
    assert "checkpoint-7" in said and "half written" in said and "Continuing from checkpoint-6" in said
    assert weights(adapter) == weights(train(run)[3])


def test_a_disk_that_fills_while_a_checkpoint_is_written(every_step, run, train, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(
            DiskFull, match=r"^The disk is full: every/training/cut-\w+ could not be written .* every/ holds .*training"
        ):
            train(every_step, 6, do=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (folder,) = every_step.workspace.glob("training/cut-*")
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-5"], (
        "the half one is not left"
    )
    assert "checkpoint-6" in capsys.readouterr().out
    assert weights(train(every_step)[3]) == weights(train(run)[3])


@pytest.mark.parametrize(
    "at, kept",
    [("on_step_begin", "checkpoint-3"), ("on_step_end", "checkpoint-2")],
    ids=["within a step", "after the look, before the checkpoint"],
)
def test_drive_that_goes_while_a_training_runs(every_step, run, train, at, kept):
    folder, elsewhere = every_step.workspace, every_step.workspace.with_name("elsewhere")
    with pytest.raises(DriveGone, match="Drive is gone, run the setup cell again"):
        train(every_step, 3, do=lambda: folder.rename(elsewhere), at=at)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    shutil.rmtree(folder, ignore_errors=True)
    elsewhere.rename(folder)
    assert [path.name for path in folder.rglob("checkpoint-*")] == [kept]
    assert weights(train(every_step)[3]) == weights(train(run)[3])


# --- asked to go on, or not to --------------------------------------------------------------------------------------------


def test_going_on_without_a_checkpoint_is_an_error_that_names_what_there_is(every_step, train, capsys):
    with pytest.raises(FileNotFoundError, match="There is no checkpoint of cut-.* to go on from"):
        train(every_step, resume=True)
    with pytest.raises(Killed):
        train(every_step, 3)
    with pytest.raises(FileNotFoundError, match=r"but there is cut-\w+, which differs in training"):
        train(every_step, resume=True, learning_rate=2e-3)
    with pytest.raises(Killed):
        train(every_step, 5, resume=True)
    capsys.readouterr()
    with pytest.raises(Killed):
        train(every_step, 2, resume=False)
    assert "Continuing" not in capsys.readouterr().out


# --- finished -------------------------------------------------------------------------------------------------------------


def test_a_finished_training_keeps_what_it_made_and_no_checkpoint(run, train, capsys):
    *_, adapter = train(run)
    assert sorted(path.name for path in adapter.parent.iterdir()) == ["adapter", "finished.json", "recipe.json"]
    assert "its checkpoints are removed" in capsys.readouterr().out
    for name in ("checkpoint-12", "checkpoint-8"):  # as an earlier version left them
        (adapter.parent / name).mkdir()
        (adapter.parent / name / "optimizer.pt").write_bytes(b"x" * 5_000_000)
    (adapter.parent / "spent.json").write_text("{}")
    assert train(run, 1)[3] == adapter, "nothing is trained"
    said = capsys.readouterr().out
    assert "Already trained" in said and "its checkpoints are removed, 10 MB" in said
    assert sorted(path.name for path in adapter.parent.iterdir()) == ["adapter", "finished.json", "recipe.json"]


@pytest.mark.parametrize("earlier", [True, False], ids=["of an earlier version", "of this version"])
@pytest.mark.parametrize("harm", ["cut short", "gone"])
def test_a_finished_training_whose_weights_are_not_whole_is_trained_again(run, train, capsys, harm, earlier):
    *_, adapter = train(run)
    file, before = adapter / "adapter_model.safetensors", weights(adapter)
    if earlier:
        finished = json.loads((adapter.parent / "finished.json").read_text())
        write_json(adapter.parent / "finished.json", {key: finished[key] for key in ("cost", "log")})
    file.write_bytes(before[:-1]) if harm == "cut short" else file.unlink()
    *_, again = train(run)
    assert again == adapter and weights(again) == before
    assert "was finished, but" in capsys.readouterr().out


def test_a_loss_that_is_not_finite_ends_the_training_at_once(run, train):
    with pytest.raises(ValueError, match=r"loss is nan after \d steps: lower the learning rate, or train in fp32"):
        train(run, learning_rate=1e30)


def test_what_comes_after_a_training_begins_alike_whether_it_was_trained_or_loaded(run, train):
    states = []
    for _ in range(2):
        train(run)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)

    @keeps_random_state
    def draw():
        return torch.rand(1)

    assert torch.equal(draw(), draw())
