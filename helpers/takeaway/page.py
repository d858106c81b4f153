"""A page to try a classifier in the browser: paste a story, see the likeliest labels and why. Gradio, an optional extra.

python -m helpers.takeaway page --model checkpoints/cpu/classifiers/fast       here
page.build_page(classifier).launch(share=False)                                in a notebook or in Colab
"""

from __future__ import annotations

import textwrap

from helpers.takeaway import reasons

EXAMPLES = (
    (
        "The Last Train to Halden",
        "The inspector laid the ticket stub on the table. Nobody on the 23:40 had seen the widow leave, and yet her compartment was locked from the "
        "inside, the window painted shut, and on the seat lay a single glove, still warm. He asked the steward for the passenger list. Two names had "
        "been struck out in the same blue ink that stained the widow's will.",
    ),
    (
        "Low Water at Anchor Nine",
        "Captain Oduya cut the engines and let the frigate drift into the shadow of the moon. On the long-range scope the imperial fleet burned like a "
        "second ring around the planet. She had eleven fighters, half a cargo of coolant, and a navigator who prayed. When the jump gate opened, she "
        "gave the order that no rebel commander had given in forty years.",
    ),
    (
        "A Quiet Week in Dry Creek",
        "The sheriff tied his horse outside the saloon and loosened the revolver at his belt. Nobody in Dry Creek had seen the rustlers since Sunday, "
        "but the cattle were gone and the trail led north. He wanted a posse before nightfall. Three cowboys put down their cards and stood, and the "
        "barkeep, who owed the bank more than all of them, reached under the counter.",
    ),
)
"""Titles and stories to click, written for this page."""
_FOR, _AGAINST = "speaks for it", "speaks against it"


def build_page(classifier):
    """The page of a classifier, as a `gradio.Blocks` to `launch()`.

    Raises:
        ImportError: Gradio is not installed; the message says how.
    """
    try:
        import gradio
    except ImportError:
        raise ImportError("The page needs Gradio: pip install -r requirements-page.txt") from None

    def answer(title: str, story: str):
        found = classifier.classify([story], [title or ""], top=5).iloc[0]
        if not found["likeliest"]:
            raise gradio.Error(f"This cannot be classified: {found['note']}.", title="Nothing to read")
        label = found["likeliest"][0][0]
        return (
            dict(found["likeliest"]),
            said(found, classifier.sure),
            marked_words(classifier, story, title, label),
            *marked_text(classifier, story, title, label),
        )

    with gradio.Blocks(title="Which genre is this story?", analytics_enabled=False) as page:
        gradio.Markdown(
            f"# Which genre is this story?\nPaste a story, or click an example. {len(classifier.classes_)} labels; nothing is stored or sent."
        )
        with gradio.Row():
            with gradio.Column():
                title = gradio.Textbox(label="Title (may be empty)", max_lines=1, elem_id="title")
                story = gradio.Textbox(label="Story", lines=8, max_lines=20, elem_id="story")
                button = gradio.Button("Which genre?", variant="primary", elem_id="ask")
            with gradio.Column():
                genres = gradio.Label(label="The five likeliest", num_top_classes=5, elem_id="genres")
                remark = gradio.Markdown(elem_id="remark")
        marked = {
            "color_map": {_FOR: "blue", _AGAINST: "orange"},
            "show_legend": True,
            "show_inline_category": False,
            "combine_adjacent": False,
        }
        words = gradio.HighlightedText(label="Words for and against the likeliest", elem_id="words", **marked)
        passages = gradio.HighlightedText(label="Passages for and against it", elem_id="passages", **marked)
        strongest = gradio.Markdown(elem_id="strongest")
        gradio.Examples([list(example) for example in EXAMPLES], [title, story], label="Examples")
        gradio.HTML(
            "<style>#words *, #passages * { word-break: normal !important; }</style>"
        )  # Gradio breaks lines within words
        button.click(answer, [title, story], [genres, remark, words, passages, strongest], api_name="classify")
    return page


def said(found, sure: dict | None) -> str:
    """How far the answer can be trusted, in a sentence, and what is unusual about the text."""
    confidence, parts = found["confidence"], []
    if sure and confidence >= sure["threshold"]:
        parts.append(
            f"**Sure**: answers with {sure['threshold']:.0%} and more were right 9 times of 10 on stories it had not seen."
        )
    elif sure:
        parts.append(
            f"**Not sure**: only answers with {sure['threshold']:.0%} and more were right 9 times of 10 on stories it had not seen."
        )
    if found["note"]:
        parts.append(f"Note: {found['note']}.")
    return " ".join(parts)


def marked_words(classifier, story: str, title: str, label: str) -> list[tuple[str, str]]:
    """The words for and against a label, strongest first, as Gradio marks them."""
    found = reasons.words(classifier, story, title or "", label, most=8)
    return [(word, _FOR if says > 0 else _AGAINST) for word, says in zip(found["word"], found["says"])]


def marked_text(classifier, story: str, title: str, label: str) -> tuple[list[tuple[str, str | None]], str]:
    """The story with the passages marked that clearly speak for or against a label, and the strongest one in words."""
    found = reasons.passages(classifier, story, title or "", label)
    if found.empty:
        return [(story, None)], "A single passage: nothing could be left out."
    least = max(0.1, found["says"].abs().max() / 4)
    marks = [_FOR if says >= least else _AGAINST if says <= -least else None for says in found["says"]]
    text = [(passage + " ", mark) for passage, mark in zip(found["passage"], marks)]
    first = found.loc[found["says"].idxmax()]
    whole = float(classifier.predict_proba([story], [title or ""])[0].max())
    if first["says"] < least:
        return text, f"No single passage makes it {label}."
    return (
        text,
        f"Without “{textwrap.shorten(first['passage'], 70, placeholder=' …')}” {label} would stand at {first['without']:.0%} instead of {whole:.0%}.",
    )
