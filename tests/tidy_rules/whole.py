"""Rules about files that must agree with each other: links, copies, build lists."""

import os
import re

from tidy_rules.tree import Finding, is_cpp

LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


def prose_lines(tree, path):
    """Lines of a Markdown file outside fenced code."""
    fenced = False
    for number, line in enumerate(tree.lines(path), 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors_of(tree, path):
    """The anchors that a forge makes of the headings."""
    anchors = set()
    for _, line in prose_lines(tree, path):
        found = HEADING.match(line)
        if not found:
            continue
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found.group(1)).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        known = anchor
        for count in range(1, 100):
            if known not in anchors:
                break
            known = f"{anchor}-{count}"
        anchors.add(known)
    return anchors


def check_links(tree):
    """Links of the docs lead to files and headings that exist."""
    for path in tree.matching("*.md"):
        for number, line in prose_lines(tree, path):
            for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z][a-z0-9+.-]*:", target):
                    continue
                file, _, anchor = target.partition("#")
                aim = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
                if not tree.exists(aim):
                    yield Finding(path, number, "links", f"{target}: there is no {aim}")
                elif anchor and aim.endswith(".md") and anchor not in anchors_of(tree, aim):
                    yield Finding(path, number, "links", f"{target}: {aim} has no such heading")


def check_crd_copies(tree):
    """The chart's copies of the CRDs equal crds/ byte for byte."""
    copies = "helm/databuild/files/crds"
    if not tree.matching(f"{copies}/*"):
        return
    originals = {path.split("/", 1)[1] for path in tree.matching("crds/*.yaml")}
    copied = {path[len(copies) + 1:] for path in tree.matching(f"{copies}/*.yaml")}
    for name in sorted(originals | copied):
        copy = f"{copies}/{name}"
        if name not in copied:
            yield Finding(f"crds/{name}", 1, "crd-copies", f"it is missing in {copies}; copy it")
        elif name not in originals:
            yield Finding(copy, 1, "crd-copies", "it is not in crds/; remove it")
        elif tree.bytes(copy) != tree.bytes(f"crds/{name}"):
            yield Finding(copy, 1, "crd-copies", f"it differs from crds/{name}; copy it again")


def check_everything_is_built(tree):
    """Every .cc stands in the CMakeLists.txt of its folder or of one above: none is forgotten."""
    for path in filter(is_cpp, tree.paths):
        if path.endswith(".h"):
            continue
        folder, _, name = path.rpartition("/")
        inside = name
        while True:
            lists = f"{folder}/CMakeLists.txt" if folder else "CMakeLists.txt"
            listed = r"(?<![\w/])" + re.escape(inside) + r"(?![\w.])"
            if tree.exists(lists) and re.search(listed, tree.text(lists)):
                break
            if not folder:
                yield Finding(path, 1, "built", "no CMakeLists.txt names it; add it to a target")
                break
            folder, _, last = folder.rpartition("/")
            inside = f"{last}/{inside}"
