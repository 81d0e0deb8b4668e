"""Length and parameters of functions. C++ is read by its braces, which clang-format keeps regular."""

import ast
import re

from tidy_rules.tree import Finding, is_cpp

MAX_FUNCTION_LINES = 69
MAX_PARAMETERS = 4

# Strings, characters, raw strings and comments, to be blanked out.
NOISE = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])\'(?:\\.|[^\'\\\n])*\''
                   r"|//[^\n]*|/\*.*?\*/|^[ \t]*#(?:\\\n|[^\n])*", re.DOTALL | re.MULTILINE)
OPENS_SCOPE = re.compile(r"\b(?:namespace|class|struct|union|extern)\b[^()=]*$")
NAME_AND_PARAMETERS = re.compile(r"(operator\s*[^\s\w(]+|operator\(\)|~?\w+)\s*\($")
NOT_A_FUNCTION = {"if", "for", "while", "switch", "catch", "return", "sizeof", "decltype",
                  "alignas", "noexcept", "requires", "static_assert", "defined"}


def without_noise(text):
    """The text with every literal and comment as blanks of the same shape."""
    return NOISE.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), text)


def matching_parenthesis(text, begin):
    """The offset behind the parenthesis that closes the one at `begin`, or None."""
    depth = 0
    for at in range(begin, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at + 1
    return None


def count_parameters(text):
    """Of what stands between a function's parentheses."""
    if not text.strip() or text.strip() == "void":
        return 0
    depth = commas = 0
    for at, character in enumerate(text):
        if character == ">" and text[at - 1] in "-=":  # -> and =>
            continue
        depth += (character in "(<[{") - (character in ")>]}")
        commas += character == "," and depth == 0
    return commas + 1


def function_of(head):
    """(name, parameters) if the text before a brace is a function's head, else None."""
    at = head.find("(")
    while at >= 0:
        found = NAME_AND_PARAMETERS.search(head[:at + 1])
        end = matching_parenthesis(head, at)
        if end is None:
            return None
        if found and found.group(1) not in NOT_A_FUNCTION:
            if found.group(1) == "operator":  # operator()( ... )
                return "operator()", head[head.find("(", end) + 1:]
            return found.group(1), head[at + 1:end - 1]
        at = head.find("(", end)
    return None


def cpp_functions(text):
    """(line, name, lines, number of parameters) of every function with a body."""
    clean = without_noise(text)
    stack = []  # per open brace: ("scope",) or ("body", begin, name, parameters) or ("other",)
    head_begin = 0
    for at, character in enumerate(clean):
        in_body = any(level[0] == "body" for level in stack)
        if character == "{":
            head = clean[head_begin:at]
            function = None if in_body or OPENS_SCOPE.search(head) else function_of(head)
            if function:
                begin = head_begin + len(head) - len(head.lstrip())
                stack.append(("body", begin, *function))
            else:
                stack.append(("scope" if not in_body else "other",))
        elif character == "}" and stack:
            level = stack.pop()
            if level[0] == "body":
                first = clean.count("\n", 0, level[1]) + 1
                last = clean.count("\n", 0, at) + 1
                yield first, level[2], last - first + 1, count_parameters(level[3])
        if character in ";{}" and not any(level[0] == "body" for level in stack):
            head_begin = at + 1


def python_functions(text):
    """The same of Python; only parameters that every caller must give by position are counted."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args.posonlyargs + node.args.args
            arguments = arguments[:len(arguments) - len(node.args.defaults)]
            names = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
            yield node.lineno, node.name, node.end_lineno - node.lineno + 1, len(names)


def go_functions(text):
    """(line, name, lines, None): gofmt closes every function in the first column."""
    begin = None
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r"func\s+(?:\([^)]*\)\s*)?(\w+)", line)
        if found:
            begin = (number, found.group(1))
        if line == "}" and begin:
            yield begin[0], begin[1], number - begin[0] + 1, None
            begin = None


def functions_of(tree, path):
    if is_cpp(path):
        return cpp_functions(tree.text(path))
    if path.endswith(".py"):
        return python_functions(tree.text(path))
    return go_functions(tree.text(path))


def check_function_length(tree):
    """Functions stay under 70 lines."""
    for path in tree.matching("*.cc", "*.h", "*.py", "*.go"):
        for line, name, length, _ in functions_of(tree, path):
            if length > MAX_FUNCTION_LINES:
                yield Finding(path, line, "function-length",
                              f"{name} has {length} lines; functions stay under "
                              f"{MAX_FUNCTION_LINES + 1}")


def check_parameters(tree):
    """Functions take at most 4 parameters, else a struct."""
    for path in tree.matching("*.cc", "*.h", "*.py"):
        for line, name, _, count in functions_of(tree, path):
            if count > MAX_PARAMETERS:
                yield Finding(path, line, "parameters",
                              f"{name} takes {count} parameters; above {MAX_PARAMETERS} use a struct")
