"""The page in a real headless browser: paste a story, click, read the answer; click an example; paste nothing.

Written for: pages that were tested by calling their functions, and showed an empty box to whoever opened them.
"""

import os
import shutil
import time
from pathlib import Path

import pytest

gradio = pytest.importorskip("gradio", reason="Gradio is not installed: pip install -r tests/requirements-page.txt")
webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed: pip install -r tests/requirements-page.txt"
)

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from helpers.takeaway import reasons
from helpers.takeaway.page import EXAMPLES, build_page

BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no browser: apt-get install chromium chromium-driver")
TITLE, STORY = EXAMPLES[2]


@pytest.fixture(scope="module")
def address(loaded):
    page = build_page(loaded)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, share=False)
    yield url
    page.close()


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1280,1500",
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def seen(browser, element: str) -> str:
    return browser.find_element(By.ID, element).text


def wait(browser, condition, seconds: int = 90):
    return WebDriverWait(browser, seconds, poll_frequency=0.3).until(lambda _: condition())


def opened(browser, address):
    browser.get(address)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#story textarea"))
    return browser.find_element(By.CSS_SELECTOR, "#story textarea"), browser.find_element(By.ID, "ask")


def test_paste_click_and_read(browser, address, loaded):
    box, button = opened(browser, address)
    browser.find_element(By.CSS_SELECTOR, "#title textarea, #title input").send_keys(TITLE)
    box.send_keys(STORY)
    button.click()
    wait(browser, lambda: "%" in seen(browser, "genres"))
    answer = loaded.classify([STORY], [TITLE]).iloc[0]
    shown = seen(browser, "genres")
    assert shown.index(answer["predicted"]) == min(shown.index(label) for label, _ in answer["likeliest"] if label in shown)
    assert all(label in shown for label, _ in answer["likeliest"]) and f"{answer['confidence']:.0%}" in shown
    word = reasons.words(loaded, STORY, TITLE)["word"].iloc[0]
    wait(browser, lambda: word in seen(browser, "words"))
    assert "Nobody in Dry Creek" in seen(browser, "passages") and "would stand at" in seen(browser, "strongest")
    assert "stories it had not seen" in seen(browser, "remark") or loaded.sure is None
    time.sleep(1)
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / "page.png"))
    errors = [
        entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE" and address in entry["message"]
    ]
    assert not [message for message in errors if "favicon" not in message and "manifest" not in message], errors


def test_an_example_is_one_click(browser, address, loaded):
    box, button = opened(browser, address)
    cells = wait(
        browser,
        lambda: [e for e in browser.find_elements(By.CSS_SELECTOR, "table td, .gallery-item") if EXAMPLES[1][0] in e.text],
    )
    cells[0].click()
    wait(browser, lambda: box.get_attribute("value") == EXAMPLES[1][1])
    button.click()
    wait(browser, lambda: "%" in seen(browser, "genres"))
    assert loaded.predict([EXAMPLES[1][1]], [EXAMPLES[1][0]])[0] in seen(browser, "genres")


def test_nothing_pasted_is_said_in_words(browser, address):
    _, button = opened(browser, address)
    button.click()
    wait(browser, lambda: "cannot be classified: empty text" in browser.find_element(By.TAG_NAME, "body").text)
    assert "%" not in seen(browser, "genres")


def test_the_examples_are_told_apart(loaded):
    assert loaded.predict([story for _, story in EXAMPLES], [title for title, _ in EXAMPLES]).tolist() == [
        "Mystery",
        "Space Opera",
        "Western",
    ]
