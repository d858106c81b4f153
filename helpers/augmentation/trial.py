"""The gates on trial: answers that are known to be good, and faulty versions of them."""

from __future__ import annotations

import pandas as pd

from helpers.augmentation.gates import Gates
from helpers.augmentation.targets import Answer, Target
from helpers.stories import count_words

_SPANISH = (
    "Había una vez un viejo farero que vivía solo en la costa y contaba los barcos que pasaban cada noche. Un día no pasó "
    "ninguno, y entonces comprendió que el mar se había marchado sin despedirse de nadie. "
)


def measure_gates(gates: Gates, stories: pd.DataFrame, rows: list[dict], most: int = 24) -> pd.DataFrame:
    """Feed the gates with answers that are known to be good, and with faulty versions of them.

    Args:
        gates: fresh gates for the sample corpus.
        stories: its story table.
        rows: its recorded paraphrases.
        most: how many of them to use.

    Returns:
        DataFrame with a row for each fault: `gate`, `answer` (how it was made), `answers`, `stopped` (refused by that very
        gate; for preambles: title and text recovered exactly), `refused otherwise`.
    """
    text = dict(zip(stories["story_id"], stories["text"]))
    split = dict(zip(stories["story_id"], stories["split"]))
    train = [row for row in rows if split[row["parent_id"]] == "train"]
    train = train[:: max(1, len(train) // most)][:most]
    held_out = [row for row in rows if split[row["parent_id"]] != "train"]
    target = {id(row): Target("paraphrase", row["genre"], 1, row["parent_id"], text[row["parent_id"]]) for row in train}

    def thin(story: str, every: int) -> str:
        return " ".join(word for place, word in enumerate(story.split()) if place % every != every - 1)

    def swap(row: dict) -> str:
        other = [r["text"] for r in rows if r["genre"] == row["genre"] and r["parent_id"] != row["parent_id"]]
        return other[0] if other else ""

    def wrapped(row: dict) -> str:
        return f"Sure! Here is a paraphrased version:\n\n**{row['title']}**\n\n{row['text']}\n\nNote: the meaning is kept."

    faults = [
        ("none", "recorded paraphrase", [(target[id(r)], r["text"]) for r in train]),
        ("length", "its first third", [(target[id(r)], r["text"][: len(r["text"]) // 3]) for r in train]),
        ("preamble", "with preamble, title and a note", [(target[id(r)], wrapped(r)) for r in train]),
        ("language", "in Spanish", [(target[id(r)], _SPANISH * (len(r["text"]) // len(_SPANISH) + 1)) for r in train]),
        ("refusal", "declined", [(target[id(r)], "I'm sorry, but I can't help with that. " + r["text"]) for r in train]),
        ("near-copy", "parent, every tenth word missing", [(target[id(r)], thin(text[r["parent_id"]], 10)) for r in train]),
        ("drift", "paraphrase of another story of the genre", [(target[id(r)], swap(r)) for r in train if swap(r)]),
        ("genre named", "with its genre's name", [(target[id(r)], f"{r['text']} A {r['genre']} story.") for r in train]),
        (
            "leakage",
            "held-out story, every tenth word missing",
            [(Target("synthetic", r["genre"], 1), thin(text[r["parent_id"]], 10)) for r in held_out],
        ),
        ("leakage", "paraphrase of a held-out story", [(Target("synthetic", r["genre"], 1), r["text"]) for r in held_out]),
        ("near-duplicate", "accepted one, every twelfth word missing", [(target[id(r)], thin(r["text"], 12)) for r in train]),
    ]
    table = []
    for gate, how, answers in faults:
        verdicts = [gates.judge(t, Answer(a), count_words(t.story or a)) for t, a in answers]
        if gate == "none":
            for (t, _), verdict in zip(answers, verdicts):
                if not verdict.reason:
                    gates.accept(t, verdict)
        stopped = sum(verdict.reason.startswith(gate) for verdict in verdicts)
        others = sum(bool(verdict.reason) for verdict in verdicts) - stopped
        if gate == "preamble":
            stopped = sum((v.title, v.text) == (r["title"], r["text"]) for v, r in zip(verdicts, train))
            others = sum(bool(verdict.reason) and not verdict.reason.startswith("near-dup") for verdict in verdicts)
        table.append((gate, how, len(answers), stopped, others))
    return pd.DataFrame(table, columns=["gate", "answer", "answers", "stopped", "refused otherwise"])
