"""Words of a caption.

The form is that of the caption corpora in use (MSVD: lower case, no punctuation): every character
that is not a letter, a mark or a number parts two tokens, apostrophes too, so that "the man's dog"
is ``the man s dog``, as MSVD writes it. A text already in this form is merely split.

Light on purpose: the workflow reads it at every start.
"""

from __future__ import annotations

import re
import unicodedata

_ASCII_TOKEN = re.compile(r"[a-z0-9]+")


def tokenise(text: str) -> list[str]:
    """Lower-case words of `text`, without punctuation.

    ``tokenise(" ".join(tokenise(text)))`` gives the same tokens again. Unicode is brought to its
    compatibility form (NFKC), so that equal-looking words are equal; accents stay.

    Example::

        tokenise("A man's riding the T-shirt cannon!")  # a man s riding the t shirt cannon
    """
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split()
