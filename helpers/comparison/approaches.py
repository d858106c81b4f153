"""Every approach that a notebook makes: its name in the store, what kind it is, and which notebook makes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Approach:
    """One line of the registry.

    Attributes:
        title: for people, short; the stored result may say more.
        kind: group in figures and tables, one of `KINDS`.
        notebook: number of the notebook that makes it.
        always: whether every run of that notebook makes it, so that it is shown as not run where it is missing.
    """

    title: str
    kind: str
    notebook: str
    always: bool = True


UNTRAINED, WORDS, ENCODER, FROZEN_LLM = "untrained", "words", "frozen encoder", "frozen LLM"
SETFIT, HEAD, INSTRUCTED, COMBINED = "SetFit", "LLM + head, LoRA", "LLM instructed, LoRA", "combined"
KINDS = (COMBINED, SETFIT, HEAD, INSTRUCTED, FROZEN_LLM, ENCODER, WORDS, UNTRAINED)
"""Kinds of approaches, in the order of figures."""

APPROACHES = {
    "fused_setfit": Approach("accurate + SetFit (tuned)", COMBINED, "06"),
    "fused": Approach("accurate, words + large encoder + LLM", COMBINED, "06"),
    "fused_fast_setfit": Approach("words + SetFit (tuned), in 8 bits", COMBINED, "06"),
    "fused_fast": Approach("fast, words + encoder on the opening", COMBINED, "06"),
    "fused_fast_int8": Approach("fast, encoder in 8 bits", COMBINED, "06"),
    "setfit_tuned": Approach("SetFit (tuned)", SETFIT, "06"),
    "setfit_tuned_int8": Approach("SetFit (tuned), in 8 bits: opening | title", SETFIT, "06", always=False),
    "setfit_seed": Approach("SetFit (seed)", SETFIT, "06"),
    "seqcls_lora_tuned": Approach("LLM + head, LoRA (tuned)", HEAD, "04"),
    "seqcls_lora_tuned_qwen_coder": Approach("LLM + head, LoRA (tuned), Qwen2.5-Coder-1.5B", HEAD, "04", always=False),
    "seqcls_lora_seed": Approach("LLM + head, LoRA (seed)", HEAD, "04"),
    "instruct_lora_tuned_qa": Approach("LLM, instruction LoRA (tuned, with QA)", INSTRUCTED, "05"),
    "instruct_lora_tuned": Approach("LLM, instruction LoRA (tuned)", INSTRUCTED, "05", always=False),
    "instruct_lora_seed": Approach("LLM, instruction LoRA (seed)", INSTRUCTED, "05"),
    "instruct_lora_seed_qa": Approach("LLM, instruction LoRA (seed, with QA)", INSTRUCTED, "05", always=False),
    "seqcls_frozen": Approach("frozen LLM + head", FROZEN_LLM, "04"),
    "seqcls_frozen_qwen_coder": Approach("frozen LLM + head, Qwen2.5-Coder-1.5B", FROZEN_LLM, "04", always=False),
    "llm_logreg": Approach("frozen LLM: opening | mean | end of the question", FROZEN_LLM, "06", always=False),
    "llm_logreg_augmented": Approach("frozen LLM, augmented", FROZEN_LLM, "06", always=False),
    "encoder_logreg": Approach("frozen encoder: opening | all windows | title", ENCODER, "06"),
    "encoder_logreg_augmented": Approach("frozen encoder, augmented", ENCODER, "06", always=False),
    "encoder_whole": Approach("frozen encoder: all windows", ENCODER, "06", always=False),
    "encoder_opening": Approach("frozen encoder: the opening", ENCODER, "06", always=False),
    "encoder_ends": Approach("frozen encoder: opening and end", ENCODER, "06", always=False),
    "encoder_whole_title": Approach("frozen encoder: all windows | title", ENCODER, "06", always=False),
    "large_encoder_logreg": Approach("frozen large encoder", ENCODER, "06", always=False),
    "large_encoder_logreg_augmented": Approach("frozen large encoder, augmented", ENCODER, "06", always=False),
    "tfidf_svm": Approach("TF-IDF + linear SVM", WORDS, "06"),
    "tfidf_svm_augmented": Approach("TF-IDF + linear SVM, augmented", WORDS, "06", always=False),
    "fused_words": Approach("words alone, with probabilities", WORDS, "06", always=False),
    "characters_svm": Approach("TF-IDF of letters + linear SVM", WORDS, "06", always=False),
    "zero_shot": Approach("zero-shot, nearest genre description", UNTRAINED, "06", always=False),
    "seqcls_untrained": Approach("LLM + head, untrained", UNTRAINED, "04"),
    "instruct_untrained": Approach("LLM, prompted, untrained", UNTRAINED, "05"),
}
"""By the name of the folder in the store. An approach of your own needs no line here to be compared; one that the project ships does."""

MEASURED = {
    "augmentation_worth": "03",
    "augmentation_worth_tuned": "06",
    "learning_curve": "06",
    "benchmark": "06",
    "llm_benchmark": "04",
    "gpu_check": "04",
}
"""What else the store holds, and the notebook that makes or reads it: folders of one measurement each."""


@dataclass(frozen=True)
class Pool:
    """A frozen classifier of 06 and the tuned SetFit, which have an equal say.

    Attributes:
        approach: its name in the store.
        frozen: the classifier's name among `fewshot.variants`.
        setfit: the variant of SetFit, stored as `setfit_` and its name.
    """

    approach: str
    frozen: str
    setfit: str

    @property
    def title(self) -> str:
        """For people."""
        return APPROACHES[self.approach].title


POOLS = {
    "accurate-setfit": Pool("fused_setfit", "accurate", "tuned"),
    "fast-setfit": Pool("fused_fast_setfit", "words", "tuned_int8"),
}
"""By the name of the folder that 06 saves each as."""

TAKEN_AWAY = {pool.approach: name for name, pool in POOLS.items()}
TAKEN_AWAY |= {"fused": "accurate", "fused_fast": "fast", "fused_fast_int8": "fast"}
"""Approaches that 06 saves as classifiers to take away, and the name of each there."""


def kind_of(approach: str) -> str:
    """Kind of an approach; `other` for one that no notebook of the series makes."""
    return APPROACHES[approach].kind if approach in APPROACHES else "other"
