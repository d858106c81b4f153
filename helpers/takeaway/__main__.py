"""`python -m helpers.takeaway`: classify a table, look at a saved classifier, open the page, or send it to the Hub."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.takeaway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", required=True, help="the classifier's folder, or its name on the Hugging Face Hub")
    table = commands.add_parser(
        "classify", parents=[model], help="classify every row of a CSV, TSV, JSON lines or Parquet file"
    )
    table.add_argument("table")
    table.add_argument("--out", required=True, help="a .csv, .tsv or .jsonl file")
    table.add_argument("--text", help="column of the text; found by its usual names")
    table.add_argument("--title", help="column of the title; found by its usual names")
    table.add_argument("--top", type=int, default=5, help="how many of the likeliest labels are listed")
    table.add_argument("--abstain", type=float, help="a confidence between 0 and 1, below which nothing is predicted")
    table.add_argument("--restart", action="store_true", help="replace what an earlier run wrote")
    commands.add_parser("card", parents=[model], help="print the model card")
    page = commands.add_parser(
        "page", parents=[model], help="a page to try it in the browser (pip install -r requirements-page.txt)"
    )
    page.add_argument("--port", type=int, default=7860)
    push = commands.add_parser("push", parents=[model], help="send it to the Hugging Face Hub")
    push.add_argument("name", help="owner/name")
    push.add_argument("--public", action="store_true", help="for everyone to see")
    asked = parser.parse_args(arguments)
    try:
        return _run(asked)
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on from here.", file=sys.stderr)
        return 130


def _run(asked: argparse.Namespace) -> int:
    from helpers.takeaway.classifier import GenreClassifier

    classifier = GenreClassifier.load(asked.model)
    if asked.command == "classify":
        from helpers.takeaway.command import classify_table

        print(
            classify_table(
                classifier, asked.table, asked.out, asked.text, asked.title, asked.top, asked.abstain, asked.restart
            ),
            f"-> {asked.out}",
        )
    elif asked.command == "card":
        from helpers.takeaway.card import model_card

        print(model_card(classifier.saved, asked.model))
    elif asked.command == "page":
        from helpers.takeaway.page import build_page

        build_page(classifier).launch(server_port=asked.port)
    else:
        print(classifier.push_to_hub(asked.name, private=not asked.public))
    return 0


if __name__ == "__main__":
    sys.exit(main())
