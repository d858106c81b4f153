"""Text to vectors: TF-IDF of words, sentence encoders (also in 8 bits), the states of a frozen language model.

`lexical`, `sentences`, `tokens` and `states` each hold one way; `windows` says what of a story is read, `onnx_export` makes an encoder a graph, in 8
bits too, that `onnx_encoder` runs without torch, `scores` reads a classifier on top of any, `cache` keeps in the workspace what was computed once.
"""
