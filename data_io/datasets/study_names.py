"""What may name a study or a patient of a cohort: a line of visible text.

Names end up in file names, tables, figures and reports, where line breaks and characters that turn the direction of the
text would show something else than what is there.
"""

import re
import unicodedata

LONGEST_BYTES = 200
"""Of a name in UTF-8. File systems allow 255 for a file, and what is added to the name of a study takes some."""

INVISIBLE = ("Cc", "Cf", "Zl", "Zp")
"""Unicode's categories of control characters, marks such as those of direction, and line breaks."""

FILE_NAME = re.compile(r"[^./\\][^/\\]*")


def patient_problem(name: str) -> str:
    """Why text cannot name a patient, in words; "" where it can.

    >>> patient_problem("P 17"), patient_problem("17\\n18")
    ('', 'has the invisible character U+000A')
    """
    if not name:
        return "is empty"
    if hidden := [letter for letter in name if unicodedata.category(letter) in INVISIBLE]:
        return f"has the invisible character U+{ord(hidden[0]):04X}"
    size = len(name.encode("utf-8", "surrogatepass"))
    return f"has {size:,} bytes, {LONGEST_BYTES} are the most" if size > LONGEST_BYTES else ""


def study_problem(name: str) -> str:
    """Why text cannot name a study, whose name becomes that of files, in words; "" where it can."""
    if name and not FILE_NAME.fullmatch(name):
        return "begins with a point, or has a slash"
    return patient_problem(name)


def as_study_name(name: str) -> str:
    """The name of a file as that of a study: slashes and invisible characters become underscores."""
    shown = "".join("_" if letter in "/\\" or unicodedata.category(letter) in INVISIBLE else letter for letter in name)
    return shown.lstrip(".") or "study"
