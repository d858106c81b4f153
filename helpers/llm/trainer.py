"""transformers' Trainer with the loss of this project's LLMs."""

from __future__ import annotations

from transformers import Trainer

from helpers.llm.lora import answer_loss


class GenreTrainer(Trainer):
    """Trainer with `answer_loss`."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """See `Trainer.compute_loss`."""
        loss, outputs = answer_loss(model, inputs, num_items_in_batch, self.args.label_smoothing_factor)
        return (loss, outputs) if return_outputs else loss
