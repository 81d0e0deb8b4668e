"""Rules that read lines: length, white space, leftovers, names, sleeping and skipping."""

import re

from tidy_rules.tree import Finding, is_cpp

MAX_FILE_LINES = 499
MAX_CPP_CHARACTERS = 100
MAX_OTHER_CHARACTERS = 120

SOURCES = ("*.cc", "*.h", "*.py", "*.sh", "*.go", "*.ts")
LINE_LENGTH = SOURCES + ("*.proto", "*.cmake", "*CMakeLists.txt")
TEXT = LINE_LENGTH + ("*.md", "*.yaml", "*.yml", "*.json", "*.sql", "*.tpl", "*Makefile",
                      "*Dockerfile", ".ci/run")

# Written in two parts, so that this file does not find itself.
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|not impl" r"emented|\bNotImpl" r"emented")
EMPTY_NAME = re.compile(r"\b(?:class|struct|enum class|namespace)\s+(\w*(?:Manager|Helper|Utils?|Impl))\b")
EMPTY_FILE_NAME = re.compile(r"(?:^|_)(?:manager|helpers?|utils?|impl)(?:_|\.|$)")
SLEEP = re.compile(r"\bsleep_for\(|\bsleep_until\(|\busleep\(|\bnanosleep\(|\btime\.sleep\(")
LOOP = re.compile(r"^\s*(?:while|for)\b|^\s*do \{", re.MULTILINE)
BOUND = re.compile(r"[Dd]eadline|[Uu]ntil|\b[Tt]imeout|_ms_max|\bpatience|\battempt")
POLL_LINES = 12  # in which a poll's loop and bound stand above its pause
SKIP = re.compile(r"\bGTEST_" r"SKIP\b|\bDISAB" r"LED_\w|@unittest\.sk" r"ip|\bskipT" r"est\(")


def check_file_length(tree):
    """Files stay under 500 lines."""
    for path in tree.matching(*SOURCES):
        count = tree.text(path).count("\n")
        if count > MAX_FILE_LINES:
            yield Finding(path, count, "file-length",
                          f"{count} lines; split it, files stay under {MAX_FILE_LINES + 1}")


def check_line_length(tree):
    """C++ has 100 columns, all else 120; a line that is one long word cannot be cut."""
    for path in tree.matching(*LINE_LENGTH):
        most = MAX_CPP_CHARACTERS if is_cpp(path) else MAX_OTHER_CHARACTERS
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > most and len(line.split()) > 1:
                yield Finding(path, number, "line-length",
                              f"{len(line)} characters; lines have at most {most}")


def check_white_space(tree):
    """Text ends in exactly one newline, lines end in no space, C++ and Python hold no tabs."""
    for path in tree.matching(*TEXT):
        text = tree.text(path)
        if text and not text.endswith("\n"):
            yield Finding(path, text.count("\n") + 1, "white-space", "no newline at the end")
        if text.endswith("\n\n"):
            yield Finding(path, text.count("\n"), "white-space", "an empty line at the end")
        for number, line in enumerate(tree.lines(path), 1):
            if line != line.rstrip():
                yield Finding(path, number, "white-space", "white space at the end of the line")
            if "\t" in line and (is_cpp(path) or path.endswith(".py")):
                yield Finding(path, number, "white-space", "a tab")


def check_leftovers(tree):
    """Nothing is left for later in the code."""
    for path in tree.matching(*TEXT):
        for number, line in enumerate(tree.lines(path), 1):
            if LEFTOVER.search(line):
                yield Finding(path, number, "leftover", f"left for later: {line.strip()[:80]}")


def check_names(tree):
    """No name that says nothing."""
    for path in tree.matching("*.cc", "*.h", "*.py", "*.go"):
        if EMPTY_FILE_NAME.search(path.rsplit("/", 1)[-1]):
            yield Finding(path, 1, "names", "the file's name says nothing; name what it is about")
        for number, line in enumerate(tree.lines(path), 1):
            found = EMPTY_NAME.search(line.split("//")[0]) if is_cpp(path) else None
            if found:
                yield Finding(path, number, "names",
                              f"{found.group(1)} says nothing; use a noun of the domain")


def check_sleeping(tree):
    """Nobody waits by sleeping. A pause between the looks of a loop with a deadline is a poll."""
    for path in tree.matching("*.cc", "*.h", "*.py"):
        lines = tree.lines(path)
        for number, line in enumerate(lines, 1):
            above = "\n".join(lines[max(0, number - POLL_LINES):number])
            is_poll = LOOP.search(above) and BOUND.search(above)
            if SLEEP.search(re.split(r"//|#", line)[0]) and not is_poll:
                yield Finding(path, number, "sleeping", "sleeps; wait for what you need instead")


def check_skipping(tree):
    """No test is skipped or disabled."""
    for path in tree.matching("*.cc", "*.h", "*.py"):
        for number, line in enumerate(tree.lines(path), 1):
            if SKIP.search(line):
                yield Finding(path, number, "skipping", "a test that may not run; make it run")
