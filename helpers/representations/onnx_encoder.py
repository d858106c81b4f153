"""A sentence encoder as an ONNX graph and a tokenizer: embeds texts on one core, without torch."""

from __future__ import annotations

import functools

import numpy as np


class OnnxEncoder:
    """Stands in for a `SentenceTransformer` where texts are embedded.

    Texts go through one by one: nothing is padded, and a vector does not depend on what else is embedded. One core does the work,
    whatever the machine has.

    Args:
        graph: the ONNX file's content, from token ids and attention mask to a vector; weights are in it.
        vocabulary: content of the `tokenizer.json`.
        max_seq_length: tokens that are read of a text.
    """

    def __init__(self, graph: bytes, vocabulary: str, max_seq_length: int):
        from tokenizers import Tokenizer

        self.graph, self.max_seq_length = graph, max_seq_length
        self.tokenizer, self._cut = Tokenizer.from_str(vocabulary), Tokenizer.from_str(vocabulary)
        for tokenizer in (self.tokenizer, self._cut):
            tokenizer.no_padding()
            tokenizer.no_truncation()
        self._cut.enable_truncation(max_seq_length)

    @property
    def vocabulary(self) -> str:
        """Content of the `tokenizer.json`: without what was last cut or padded, so that the same encoder is the same file."""
        return self.tokenizer.to_str()

    def encode(self, texts: list[str], **_) -> np.ndarray:
        """Embed texts of at most `max_seq_length` tokens: float32 array (texts, dimensions), rows of length 1, or 0 for a text without a token.

        The options of `SentenceTransformer.encode` are taken and have no effect.
        """
        vectors = []
        for text in texts:
            tokens = self._cut.encode(text)
            if not tokens.ids:
                vectors.append(np.zeros(self._session.get_outputs()[0].shape[-1], dtype=np.float32))
                continue
            fed = {"input_ids": np.array([tokens.ids]), "attention_mask": np.array([tokens.attention_mask])}
            vectors.append(self._session.run(None, fed)[0][0])
        vectors = np.stack(vectors)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    @functools.cached_property
    def _session(self):
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # An addition and a normalisation fused into one take three times as long as one after the other (1.32, one core).
        apart = ["SkipLayerNormFusion"]
        return InferenceSession(self.graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=apart)
