#!/usr/bin/env python3
"""Proves that every rule of tests/tidy.py finds its breach, and only that."""

import pathlib
import tempfile
import unittest

import tidy
from tidy_rules import functions
from tidy_rules.tree import Tree

LATER = "TO" + "DO"

# Rule -> trees that break it once each, as {path: text}. CMakeLists.txt is added where it is missing.
BREACHES = {
    "layers": [
        {"bel/a.cc": '#include "controller/planner/planner.h"\n'},
        {"bel/base/a.cc": '#include "bel/event_log.h"\n'},
        {"controller/planner/a.h": '#include "controller/reconciler/cluster.h"\n'},
        {"controller/planner/a.h": '#include "controller/api/auth.h"\n'},
        {"controller/reconciler/a.cc": '#include "controller/kube/informer.h"\n'},
        {"controller/api/a.cc": '#include "controller/planner/planner.h"\n'},
        {"controller/api/a.cc": '#include "controller/planner/effect.h"\n'},
        {"controller/kube/a.cc": '#include "controller/metrics/metrics.h"\n'},
        {"controller/metrics/a.cc": '#include "controller/kube/informer.h"\n'},
        {"wrapper/a.cc": '#include "controller/kube/informer.h"\n'},
        {"proto/a.cc": '#include "bel/base/result.h"\n'},
    ],
    "third-party": [
        {"bel/event_log.cc": "#include <libpq-fe.h>\n"},
        {"bel/event_log.cc": "#include <sqlite3.h>\n"},
        {"controller/kube/codec.cc": "#include <cpprest/json.h>\n"},
        {"controller/api/auth.cc": "#include <boost/beast/http.hpp>\n"},
        {"controller/kube/codec.cc": "#include <simdjson.h>\n"},
        {"controller/api/auth.cc": "#include <prometheus/counter.h>\n"},
        {"controller/kube/codec.cc": "#include <yaml-cpp/yaml.h>\n"},
        {"controller/kube/codec.cc": "#include <openssl/ssl.h>\n"},
        {"controller/planner/pattern.h": "#include <re2/re2.h>\n"},
        {"bel/query.h": "#include <nlohmann/json.hpp>\n"},
    ],
    "planner-pure": [
        {"controller/planner/a.cc": "#include <mutex>\n"},
        {"controller/planner/a.cc": "#include <iostream>\n"},
        {"controller/planner/a.cc": "#include <sys/socket.h>\n"},
        {"controller/planner/a.cc": '#include "bel/base/log.h"\n', "bel/base/log.h": "\n#pragma once\n"},
        {"controller/planner/a.cc": '#include "bel/b.h"\n', "bel/b.h": "#include <thread>\n"},
        {"controller/planner/a.cc": "TimeNs now = clock.Now();\n"},
        {"controller/planner/a.cc": "SystemClock clock;\n"},
    ],
    "file-length": [{"bel/a.h": "int a;\n" * 500}],
    "line-length": [
        {"bel/a.h": "int a" + " " * 95 + ";\n"},
        {"deploy/a.sh": "echo" + " a" * 59 + "\n"},
    ],
    "white-space": [
        {"bel/a.h": "int a;"},
        {"bel/a.h": "int a; \n"},
        {"bel/a.h": "int a;\r\n"},
        {"bel/a.h": "\tint a;\n"},
        {"docs/a.md": "a\n\n"},
        {"crds/a.yaml": "a: 1 \n"},
    ],
    "leftover": [
        {"bel/a.h": f"// {LATER}: more\n"},
        {"docs/a.md": f"{LATER}\n"},
        {"bel/a.h": "// not impl" + "emented\n"},
    ],
    "names": [
        {"bel/a.h": "class LogManager {};\n"},
        {"bel/a.h": "struct StorageImpl;\n"},
        {"bel/a.h": "namespace string_Utils {}\n"},
        {"bel/string_utils.h": "int a;\n"},
        {"tests/helpers.py": "A = 1\n"},
    ],
    "sleeping": [
        {"bel/a_test.cc": "void F() { std::this_thread::sleep_" + "for(1s); }\n"},
        {"bel/a.h": "inline void F() { usl" + "eep(5); }\n"},
        {"tests/a.py": "import time\ntime.sl" + "eep(1)\n"},
        {"tests/a.py": "import time\nfor i in range(9):\n    time.sl" + "eep(1)\n"},
    ],
    "skipping": [
        {"bel/a_test.cc": "TEST(A, B) { GTEST_" + "SKIP(); }\n"},
        {"bel/a_test.cc": "TEST(A, DISABL" + "ED_B) {}\n"},
        {"tests/a.py": "@unittest.sk" + "ip('why')\ndef test():\n    pass\n"},
    ],
    "function-length": [
        {"bel/a.h": "int F() {\n" + "  a();\n" * 68 + "}\n"},
        {"bel/a.h": "class A {\n  int F() const {\n" + "    a();\n" * 68 + "  }\n};\n"},
        {"tests/a.py": "def f():\n" + "    a()\n" * 69},
        {"tests/a.go": "package a\n\nfunc F() {\n" + "\ta()\n" * 68 + "}\n"},
    ],
    "parameters": [
        {"bel/a.h": "int F(int a, int b, int c, int d, int e) { return a; }\n"},
        {"bel/a.h": "struct A {\n  A(int a, B<C, D> b, int c, int d, int e) : a_(a) {}\n};\n"},
        {"tests/a.py": "def f(a, b, c, d, e):\n    pass\n"},
    ],
    "links": [
        {"docs/a.md": "[b](b.md)\n"},
        {"docs/a.md": "[b](#nowhere)\n"},
        {"docs/a.md": "[b](b.md#second)\n", "docs/b.md": "# First\n"},
    ],
    "crd-copies": [
        {"crds/a.yaml": "a: 1\n", "helm/databuild/files/crds/a.yaml": "a: 2\n"},
        {"crds/a.yaml": "a: 1\n", "crds/b.yaml": "b: 1\n",
         "helm/databuild/files/crds/a.yaml": "a: 1\n"},
        {"helm/databuild/files/crds/a.yaml": "a: 1\n"},
    ],
    "built": [
        {"bel/a.cc": "int a;\n", "CMakeLists.txt": "add_subdirectory(bel)\n",
         "bel/CMakeLists.txt": "databuild_library(a SOURCES ba.cc)\n"},
    ],
}

# What looks like a breach and is none.
CLEAN = [
    {"controller/kube/a.cc": '#include "controller/reconciler/cluster.h"\n#include "bel/base/clock.h"\n'},
    {"controller/api/a_test.cc": '#include "tests/support/fake_cluster.h"\n#include <boost/asio.hpp>\n'},
    {"controller/operator.cc": '#include "controller/kube/informer.h"\n'},
    {"bel/a.h": "// class Manager, LATER, sleep_" + "for(1s)\n"},
    {"bel/a.h": "constexpr char kUrl[] =\n\"" + "x" * 120 + "\";\n"},
    {"bel/a.h": "int F(\n    std::map<int, std::pair<int, int>> a, int b, int c,\n    int d) {\n"
                + "  a();\n" * 60 + "}\nint G() { return 1; }\n"},
    {"bel/a.h": 'inline const char* F() { return R"(} ) " { ( )"; }\nint G() {\n' + "  a();\n" * 60
                + "}\nint H() {\n" + "  a();\n" * 60 + "}\n"},
    {"bel/a.h": "namespace a {\n" + "int b();\n" * 100 + "}\n"},
    {"bel/a_test.cc": "void F() {\n  while (Now() < deadline) {\n    sleep_" + "for(1ms);\n  }\n}\n"},
    {"tests/a.py": "def f(self, a, b, c, d, e=1, *, g, h):\n    pass\n"},
    {"docs/a.md": "# Some `code`, here\n[b](#some-code-here) [c](b.md) [d](https://x/y)\n"
                  "`[e](f.md)`\n```\n[g](h.md)\n```\n", "docs/b.md": "b\n"},
    {"crds/a.yaml": "a: 1\n", "helm/databuild/files/crds/a.yaml": "a: 1\n"},
    {"tests/x/a.cc": "int a;\n", "tests/CMakeLists.txt": "add_library(a x/a.cc)\n"},
]


def findings(files, allowed=()):
    """The breaches of a tree made of `files`."""
    with tempfile.TemporaryDirectory() as folder:
        sources = [path for path in files if path.endswith(".cc")]
        if not any(path.endswith("CMakeLists.txt") for path in files):
            files = {**files, "CMakeLists.txt": "".join(f"# {path}\n" for path in sources) or "#\n"}
        for path, text in files.items():
            full = pathlib.Path(folder, path)
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(text.encode())
        return tidy.findings_of(Tree(folder), list(allowed))


class TidyTest(unittest.TestCase):
    def test_every_breach_is_found_once_and_nothing_else(self):
        for rule, trees in BREACHES.items():
            for files in trees:
                with self.subTest(rule=rule, files=list(files)):
                    self.assertEqual([finding.rule for finding in findings(files)], [rule],
                                     [str(finding) for finding in findings(files)])

    def test_what_only_looks_like_a_breach_is_none(self):
        for files in CLEAN:
            with self.subTest(files=list(files)):
                self.assertEqual([str(finding) for finding in findings(files)], [])

    def test_no_rule_is_without_a_breach_here(self):
        self.assertEqual(len(tidy.RULES), len(BREACHES))

    def test_an_exception_covers_its_file_and_rule_only(self):
        files = {"bel/a.h": "int a; \n", "bel/b.h": "int b; \n"}
        left = findings(files, [("white-space", "bel/a.h", "a reason")])
        self.assertEqual([finding.path for finding in left], ["bel/b.h"])

    def test_an_exception_that_is_not_needed_is_a_breach(self):
        left = findings({"bel/a.h": "int a;\n"}, [("white-space", "bel/a.h", "a reason")])
        self.assertEqual([(finding.path, finding.rule) for finding in left],
                         [("bel/a.h", "white-space")])

    def test_every_exception_has_a_reason(self):
        for rule, path, reason in tidy.ALLOWED:
            self.assertGreater(len(reason.split()), 3, (rule, path))

    def test_cpp_functions_are_told_from_types_and_calls(self):
        text = """
namespace a {
struct S {
  S(int a, int b) : a_(a), b_{b} {}
  bool operator()(const S& x) const { return x; }
  bool operator==(const S& x) const {
    return x;
  }
};
template <typename T>
std::vector<T> Make(T one, std::function<void(int, int)> two) {
  auto f = [&](int x, int y) { return x; };
  if (one) { f(1, 2); }
  return {};
}
enum class E { kA, kB };
int table[] = {1, 2};
}  // namespace a
"""
        found = [(name, lines, count) for _, name, lines, count in functions.cpp_functions(text)]
        self.assertEqual(found, [("S", 1, 2), ("operator()", 1, 1), ("operator==", 3, 1),
                                 ("Make", 6, 2)])


if __name__ == "__main__":
    unittest.main()
