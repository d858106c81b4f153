"""To the Hub and back, through the real client and a stand-in for the Hub on this machine.

Written for: uploads that are only ever tried against the real Hub, by hand, once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import COMMIT, TOKEN, Hub

from helpers.config import PROJECT


@pytest.fixture
def hub():
    server = Hub()
    yield server
    server.close()


def elsewhere(hub, tmp_path, code, token=TOKEN):
    """Run code in a process whose Hub is the stand-in, with a cache of its own; what it printed as JSON, or its error."""
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    environment |= {"HF_TOKEN": token} if token else {}

    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    code = f"import json\nfrom helpers.takeaway import GenreClassifier\nload = GenreClassifier.load\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=kept | environment, capture_output=True, text=True, timeout=240
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_pushed_and_fetched_it_answers_the_same(hub, folder, loaded, tmp_path):
    address = elsewhere(hub, tmp_path, f"print(json.dumps(load({str(folder)!r}).push_to_hub('me/stories')))")
    assert address == f"{hub.url}/me/stories"
    held = hub.repositories["me/stories"]
    assert held["private"] and set(held["files"]) == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    assert b"model-index" in held["files"]["README.md"]
    text = "The judge called the jury back."
    ask = f"print(json.dumps(load('me/stories').predict_proba([{text!r}])[0].tolist()))"
    assert elsewhere(hub, tmp_path, ask) == loaded.predict_proba([text])[0].tolist()
    assert (
        elsewhere(hub, tmp_path, ask.replace("'me/stories'", f"'me/stories', revision={COMMIT!r}"))
        == loaded.predict_proba([text])[0].tolist()
    )
    assert any(asked.startswith("PUT /upload/") for asked in hub.asked)  # the large files went their own way


@pytest.mark.parametrize(
    "code, token, message",
    [
        (
            "load('me/nothing')",
            TOKEN,
            "FileNotFoundError: 'me/nothing' is no folder here, and cannot be fetched from the Hub: there is none of that name",
        ),
        ("load('me/private')", None, "there is none of that name, or it is private and HF_TOKEN is not set"),
        ("load('me/private', revision='v9')", TOKEN, "it has no such revision"),
        (
            "load(FOLDER).push_to_hub('me/stories')",
            "hf_reader",
            "the token may not do that. Set HF_TOKEN to one with the right to write",
        ),
        ("load(FOLDER).push_to_hub('stories')", TOKEN, "'stories' is no name on the Hub: give owner/name"),
    ],
)
def test_what_the_hub_refuses_is_one_line(hub, folder, tmp_path, code, token, message):
    hub.repositories["me/private"] = {"private": True, "files": {}}
    said = elsewhere(hub, tmp_path, code.replace("FOLDER", repr(str(folder))), token)
    assert message in said and (token or "no token") not in said
    assert "me/stories" not in hub.repositories


def test_a_hub_that_does_not_answer_is_one_line(hub, tmp_path):
    hub.close()
    said = elsewhere(hub, tmp_path, "load('me/stories')")
    assert "it does not answer. Connect to it, or give the path of a folder." in said


def test_what_was_changed_on_the_hub_is_not_loaded(hub, folder, tmp_path):
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    files["1-words/head.skops"] += b" "
    files["evil.pkl"] = b"\x80\x04."
    hub.repositories["me/changed"] = {"private": False, "files": files}
    said = elsewhere(hub, tmp_path, "load('me/changed')")
    assert "1-words/head.skops was changed since it was saved" in said
    assert not list((tmp_path / "cache").rglob("*.pkl"))
