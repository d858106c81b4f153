"""Text to vectors: TF-IDF of words, sentence encoders (also in 8 bits), the states of a frozen language model.

`lexical`, `sentences`, `int8`, `tokens` and `states` each hold one way; `cache` keeps in the workspace what was computed once.
"""
