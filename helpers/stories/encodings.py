"""Bytes to text, where the encoding can be told for certain."""

from __future__ import annotations

import codecs
import re

_MARKED = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LETTERS = "A-Za-zÀ-ÖØ-öø-ÿŠŒŽŸšœž"
_WRONG = re.compile(rf"[{_LETTERS}][¡-ª¬-¶¸-º¼-¿×÷‚„†‡ˆ‰˜™][{_LETTERS}]|[a-zß-öø-ÿ][À-ÖØ-ÞŠŒŽŸ]")
SAVE_AS = "Save it again as 'CSV UTF-8'."


def decode(content: bytes, name: str) -> tuple[str, list[str]]:
    """Text of a file in UTF-8, in UTF-16 or UTF-32, or in Excel's Windows-1252 where nothing speaks against it.

    Args:
        content: of the file.
        name: of the file, for the messages.

    Returns:
        The text, and one sentence on what was not plain UTF-8.

    Raises:
        ValueError: the encoding cannot be told; the message names the byte and its line.
    """
    for mark, encoding in _MARKED:
        if content.startswith(mark):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError as error:
                if encoding == "utf-8-sig":
                    return _by_line(content[len(mark) :], name)
                raise ValueError(
                    f"{name} begins like {encoding.upper()}, but is cut off or damaged ({error.reason}). {SAVE_AS}"
                ) from None
            return text, [] if encoding == "utf-8-sig" else [f"the file is in {encoding.upper()} and was read as such"]
    zeros = content[:2000].count(0)
    if zeros:
        # Text in Latin letters has a zero in every second byte of UTF-16; which one says in which order.
        for encoding, place in (("utf-16-le", 1), ("utf-16-be", 0)):
            if content[place:2000:2].count(0) > 0.4 * len(content[:2000]) and len(content) % 2 == 0:
                try:
                    return content.decode(encoding), ["the file is in UTF-16 and was read as such"]
                except UnicodeDecodeError:
                    continue
        raise ValueError(f"{name} is no text file: it holds zero bytes, the first at position {content.index(0)}. {SAVE_AS}")
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError:
        return _by_line(content, name)


def _by_line(content: bytes, name: str) -> tuple[str, list[str]]:
    """Lines in UTF-8 as such, the others as Windows-1252, which is what Excel writes in the West when it is not asked for UTF-8."""
    parts, others = [], []
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            parts.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            others.append((number, line[error.start]))
            try:
                parts.append(line.decode("cp1252"))
            except UnicodeDecodeError:
                raise _unknown(content, name) from None
    if not _looks_western("\n".join(parts[number - 1] for number, _ in others)):
        raise _unknown(content, name) from None
    lines = ", ".join(str(number) for number, _ in others[:5]) + (", ..." if len(others) > 5 else "")
    return "\n".join(parts), [
        f"{len(others)} lines are not UTF-8 (lines {lines}) and were read as Windows-1252, what Excel writes; if letters look wrong, save it as 'CSV UTF-8'"
    ]


def _unknown(content: bytes, name: str) -> ValueError:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = f"byte 0x{content[error.start]:02x} at position {error.start}, line {line}"
        return ValueError(f"{name} is not UTF-8: {byte}; and it is no Western European text either. {SAVE_AS}")
    return ValueError(f"{name} cannot be read as text. {SAVE_AS}")


def _looks_western(text: str) -> bool:
    """Whether text that was read as Windows-1252 can be that: other encodings give symbols or capitals within words, or nothing but accents."""
    letters = re.findall(f"[{_LETTERS}]", text)
    return sum(letter > "\x7f" for letter in letters) <= 0.3 * len(letters) and not _WRONG.search(text)
