"""Batches for SetFit where whole batches are compared: two rows of a genre in each batch that has it, whatever the genres' sizes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

LEAST_SHARE = 0.75
"""Share of the rows that `group_by_label` must show in an epoch, or `EveryRow` takes its place. It shows 99 % of the real dataset's training rows, with synthetic ones or without."""


def share_by_label(labels: Sequence) -> float:
    """Share of the rows that sentence-transformers' `group_by_label` shows in an epoch.

    Genres take turns with two rows each until fewer than two genres are left: of the largest it shows no more than of the second largest.
    """
    pairs = sorted((size // 2 for size in Counter(labels).values()), reverse=True)
    return 2 * sum(min(number, pairs[1]) for number in pairs) / len(labels) if len(pairs) > 1 else 0.0


class EveryRow(DefaultBatchSampler):
    """Every row once an epoch, in a batch with another row of its genre where there is one.

    The rows of a genre are drawn in pairs, and each genre's pairs are spread evenly over the epoch. A row that is left over joins the smallest batch
    that has its genre, so a batch may have a few rows more than `batch_size`.
    """

    def __init__(self, dataset, batch_size: int, drop_last: bool, valid_label_columns=None, generator=None, seed: int = 0):
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        column = next(name for name in valid_label_columns or ["label"] if name in dataset.column_names)
        self.rows = defaultdict(list)
        for row, label in enumerate(dataset[column]):
            self.rows[label].append(row)

    def __iter__(self) -> Iterator[list[int]]:
        if self.generator is not None and self.seed is not None:
            self.generator.manual_seed(self.seed + self.epoch)
        pairs, left = [], []
        for label, rows in self.rows.items():
            shuffled = [rows[place] for place in torch.randperm(len(rows), generator=self.generator)]
            number = len(rows) // 2
            places = (torch.arange(number) + torch.rand(number, generator=self.generator)) / max(number, 1)
            pairs += zip(places.tolist(), [label] * number, shuffled[::2], shuffled[1::2])
            left += [(label, shuffled[-1])] if len(rows) % 2 else []
        pairs.sort(key=lambda pair: pair[0])
        batches: list[list[int]] = [[] for _ in range(len(self))]
        holding = defaultdict(list)
        for batch, chunk in zip(batches, np.array_split(np.arange(len(pairs)), len(self))):
            for _, label, *two in (pairs[place] for place in chunk):
                batch += two
                holding[label].append(batch)
        for place in torch.randperm(len(left), generator=self.generator):
            label, row = left[place]
            min(holding[label] or batches, key=len).append(row)
        yield from batches

    def __len__(self) -> int:
        return -(-sum(map(len, self.rows.values())) // self.batch_size)
