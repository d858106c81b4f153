"""transformers' Trainer with the loss of this project's LLMs."""

from __future__ import annotations

from transformers import Trainer

from helpers.llm.lora import answer_loss


class GenreTrainer(Trainer):
    """Trainer with `answer_loss`.

    Args:
        language_modelling: see `answer_loss`.
        **options: of `Trainer`.
    """

    def __init__(self, language_modelling: float = 0.0, **options):
        super().__init__(**options)
        self.language_modelling = language_modelling

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """See `Trainer.compute_loss`."""
        shares = {"label_smoothing": self.args.label_smoothing_factor, "language_modelling": self.language_modelling}
        loss, outputs = answer_loss(model, inputs, num_items_in_batch, **shares)
        return (loss, outputs) if return_outputs else loss
