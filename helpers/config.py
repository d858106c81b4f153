"""The profiles: one name picks every knob that depends on the machine.

`smoke` runs the whole series in minutes on two CPU cores and the sample corpus. `cpu` runs the real dataset on a CPU.
`t4` is for the free GPU of Colab, and the only one that trains the LLMs with the seed's settings unshortened.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = "OWNER/REPOSITORY"
"""GitHub address of this project; `make address REPOSITORY=owner/name` writes it here and into every notebook."""

VERSION = "0.6.0"
"""Of the project; kept with every result."""

PROJECT = Path(__file__).resolve().parent.parent
DATA = PROJECT / "data"


def find_path(path: str | Path) -> Path | None:
    """Where a file or folder is that the user names: in the directory of the process, else in the project's folder, `~` being home; None if nowhere."""
    try:
        path = Path(path).expanduser() if str(path) else None
        return next((place / path for place in (Path.cwd(), PROJECT) if path and (place / path).exists()), None)
    except (OSError, RuntimeError, ValueError):  # too long for a path, in a closed folder, at nobody's home, with a zero byte
        return None


@dataclass(frozen=True)
class Profile:
    """Every knob that a profile sets.

    Attributes:
        name: `smoke`, `cpu` or `t4`.
        dataset: `sample` (the embedded corpus) or `full` (`STORIES_CSV`, else the Hub).
        encoder: sentence encoder that SetFit tunes, a Hub name or a local folder.
        large_encoder: a larger one, used frozen where it can be loaded; None for none.
        llm: causal language model, a Hub name or a local folder.
        story_tokens: how many tokens of a story the LLM sees; longer stories lose their middle.
        frozen_tokens: the same, where the LLM is frozen and a story is read once.
        seqcls_epochs: LoRA's passes over the training set, with a head.
        instruct_epochs: the same, for prompt and answer.
        lora_batch_size: stories in one forward pass.
        lora_accumulation: forward passes in one optimizer step.
        gradient_checkpointing: trade time for memory while training the LLM.
        four_bit: keep the LLM's frozen weights in 4 bits (NF4, through bitsandbytes).
        setfit_tokens: tokens of a story that SetFit sees, up to what its encoder can read.
        setfit_iterations: SetFit's `num_iterations`; each story gives twice as many pairs.
        setfit_epochs: SetFit's `num_epochs` over these pairs.
        supcon_epochs: passes over the stories where whole batches are contrasted instead of pairs.
        save_minutes: minutes between two checkpoints of a training, what a lost runtime costs at most.
        questions: how many questions about the stories are asked with the adapter on and off.
        qa_examples: how many about training stories are mixed into instruction tuning.
        genres: use only the first so many genres of the embedded sample; None for all.
        use_augmented: whether SetFit and the baselines train on accepted augmented rows too.
        llm_augmented: whether the LLM approaches do.
    """

    name: str
    dataset: str
    encoder: str
    large_encoder: str | None
    llm: str
    story_tokens: int
    frozen_tokens: int
    seqcls_epochs: int
    instruct_epochs: int
    lora_batch_size: int
    lora_accumulation: int
    gradient_checkpointing: bool
    setfit_tokens: int
    setfit_iterations: int
    setfit_epochs: int
    supcon_epochs: int
    questions: int
    qa_examples: int
    genres: int | None = None
    four_bit: bool = False
    save_minutes: float = 5.0
    use_augmented: bool = True
    llm_augmented: bool = True


PROFILES = {
    "smoke": Profile(
        name="smoke",
        dataset="sample",
        encoder="sentence-transformers/all-MiniLM-L6-v2",
        large_encoder=None,
        llm="unsloth/gemma-3-270m",
        story_tokens=96,
        frozen_tokens=96,
        seqcls_epochs=1,
        instruct_epochs=1,
        lora_batch_size=4,
        lora_accumulation=1,
        gradient_checkpointing=False,
        setfit_tokens=64,
        setfit_iterations=1,
        setfit_epochs=1,
        supcon_epochs=1,
        questions=9,
        qa_examples=6,
        genres=6,
        llm_augmented=False,
    ),
    "cpu": Profile(
        name="cpu",
        dataset="full",
        encoder="sentence-transformers/all-MiniLM-L6-v2",
        large_encoder="unsloth/embeddinggemma-300m",
        llm="Qwen/Qwen2.5-0.5B-Instruct",
        story_tokens=128,
        frozen_tokens=256,
        seqcls_epochs=1,
        instruct_epochs=2,
        lora_batch_size=4,
        lora_accumulation=1,
        gradient_checkpointing=False,
        setfit_tokens=256,
        setfit_iterations=10,
        setfit_epochs=2,
        supcon_epochs=4,
        questions=72,
        qa_examples=100,
    ),
    "t4": Profile(
        name="t4",
        dataset="full",
        encoder="sentence-transformers/paraphrase-mpnet-base-v2",
        large_encoder="unsloth/embeddinggemma-300m",
        llm="Qwen/Qwen2.5-1.5B-Instruct",
        story_tokens=1024,
        frozen_tokens=1024,
        seqcls_epochs=3,
        instruct_epochs=3,
        lora_batch_size=4,
        lora_accumulation=2,
        gradient_checkpointing=True,
        setfit_tokens=512,
        setfit_iterations=10,
        setfit_epochs=2,
        supcon_epochs=4,
        questions=120,
        qa_examples=100,
    ),
}


def get_profile(name: str = "auto", **changes) -> Profile:
    """Look a profile up and change some of its knobs.

    Args:
        name: `smoke`, `cpu`, `t4`, or `auto` for `t4` with CUDA and `cpu` without.
        **changes: fields of `Profile` to replace; `None` leaves the profile's own value, `0` for `large_encoder` means none.

    Raises:
        ValueError: the profile or a knob does not exist.
    """
    if name == "auto":
        import torch

        name = "t4" if torch.cuda.is_available() else "cpu"
    if name not in PROFILES:
        raise ValueError(f"PROFILE={name!r} does not exist; choose one of auto, {', '.join(PROFILES)}.")
    changes = {key: value for key, value in changes.items() if value is not None}
    if changes.get("large_encoder") in (0, "", False):
        changes["large_encoder"] = None
    unknown = set(changes) - {field.name for field in dataclasses.fields(Profile)}
    if unknown:
        raise ValueError(f"A profile has no knob {sorted(unknown)}; see helpers/config.py for those it has.")
    return dataclasses.replace(PROFILES[name], **changes)
