"""A key that is planted is found nowhere again: not in what is printed, nor in logs, journals, executed notebooks, exceptions.

Written for: an endpoint that failed in the middle of a run and repeated the key in its complaint, which would have been kept as the reason of a rejection.
"""

import os
import sys
from pathlib import Path

import pytest
import stand_ins
from groq_server import KEY, GroqServer

from helpers import execution, runtime, series, stories
from helpers.config import PROJECT

pytestmark = pytest.mark.slow
COLAB = "import types\nuserdata = types.SimpleNamespace(get=lambda name: {key!r})\n"
FAULTS = [
    "",
    "",
    f"400|{KEY}|The request of {KEY} was refused",
    "",
    f"500||Trouble with {KEY}",
    f"422||{KEY}",
    "",
    "",
    f"403|denied|{KEY} may not",
]
"""Of the answers in their turn, `` being a good one; the last ends the run."""


def places_that_hold(key: str, folder: Path) -> list[str]:
    """Files that hold a key, as it is or as JSON, base64 aside, and files that are called so."""
    held = [path for path in folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    return [path.name for path in held] + [path.name for path in folder.rglob(f"*{key}*")]


@pytest.mark.parametrize("planted", ["in the environment", "among Colab's secrets"])
def test_a_planted_key_is_found_nowhere_again(tmp_path, monkeypatch, capfd, planted):
    packages, _ = stand_ins.write_models(tmp_path / "models")
    workspace, colab = tmp_path / "ws", tmp_path / "colab" / "google" / "colab"
    run = runtime.start("smoke", str(workspace))
    table, facts = stories.load_stories(run, genres=3)
    table["text_clean"] = table["text"].map(stories.clean_text)
    stories.save_stories(run, stories.add_split_and_folds(table)[0], facts)
    colab.mkdir(parents=True)
    if planted == "in the environment":
        monkeypatch.setenv("GROQ_API_KEY", KEY)
    else:
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release-test")
        monkeypatch.delenv("GROQ_API_KEY", raising=False)
        (colab / "__init__.py").write_text(COLAB.format(key=KEY))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [packages, PROJECT, colab.parent.parent])))
    monkeypatch.setenv("STORIES_PROJECT", str(PROJECT))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with GroqServer(answer=stand_ins.answer) as server:
        server.faults.extend(FAULTS)
        values = {"PROFILE": "smoke", "WORKSPACE": str(workspace), "PROVIDER": "groq", "BASE_URL": server.url, "TARGET": 12}
        target, log = workspace / "notebooks" / "02.ipynb", workspace / "log.txt"
        with pytest.raises(execution.NotebookFailed, match="does not let this key do that") as caught:
            execution.execute(series.FOLDER / "02_paraphrase.ipynb", target, values, log=log, cwd=tmp_path, echo=sys.stdout)
        assert len(server.requests) == len(FAULTS)
    journal = (workspace / "paraphrases.jsonl").read_text(encoding="utf-8")
    assert len(journal.splitlines()) >= 4  # the good ones were judged and kept, whatever the gates said
    said = capfd.readouterr()
    assert target.exists() and log.stat().st_size
    assert KEY not in said.out + said.err + str(caught.value) + repr(caught.value)
    assert places_that_hold(KEY, workspace) == []
