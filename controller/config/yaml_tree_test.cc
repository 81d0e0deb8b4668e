#include "controller/config/yaml_tree.h"

#include <gtest/gtest.h>

namespace databuild {
namespace {

TEST(YamlTree, KeepsOrderLinesAndQuotes) {
  Result<YamlTree> tree = ParseYaml("a: 1\nb:\n  - \"x\"\n  - y\nc: {d: ~}\n", "f");
  ASSERT_TRUE(tree.ok()) << tree.error().message;
  ASSERT_EQ(tree->entries.size(), 3u);
  EXPECT_EQ(tree->entries[0].value.scalar, "1");
  EXPECT_FALSE(tree->entries[0].value.quoted);
  const YamlTree& list = tree->entries[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_TRUE(list.items[0].quoted);
  EXPECT_EQ(list.items[1].line, 4);
  EXPECT_EQ(tree->entries[2].value.entries[0].value.kind, YamlTree::Kind::kNull);
}

TEST(YamlTree, NothingIsANull) {
  for (const char* empty : {"", "\n\n", "# only a comment\n", "---\n"}) {
    Result<YamlTree> tree = ParseYaml(empty, "f");
    ASSERT_TRUE(tree.ok()) << empty;
    EXPECT_EQ(tree->kind, YamlTree::Kind::kNull);
  }
}

TEST(YamlTree, WhatSurprisesIsRefusedWithItsLine) {
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "[";
  for (int i = 0; i < 40; ++i) deep += "]";
  struct Case {
    std::string yaml;
    const char* where;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{{"a: 1\nb: 2\na: 3\n", "f:3:", "already in line 1"},
                                         {"a: &x 1\nb: 2\n", "f:1:", "an anchor"},
                                         {"a: &x {c: 1}\nb: *x\n", "f:1:", "an anchor"},
                                         {"a: 1\nb: *a\n", "f:2:", "not YAML"},
                                         {"a: !!int 1\n", "f:1:", "the tag"},
                                         {"a: 1\n---\nb: 2\n", "f:", "a second document"},
                                         {"a: [1\n", "f:", "not YAML"},
                                         {"\ta: 1\n", "f:1:", "not YAML"},
                                         {"a: b: c\n", "f:1:", "not YAML"},
                                         {"? [a]\n: b\n", "f:1:", "no plain text"},
                                         {deep, "f:1:", "nesting this deep"}}) {
    Result<YamlTree> tree = ParseYaml(c.yaml, "f");
    ASSERT_FALSE(tree.ok()) << c.yaml;
    EXPECT_TRUE(tree.error().message.starts_with(c.where)) << tree.error().message;
    EXPECT_NE(tree.error().message.find(c.says), std::string::npos) << tree.error().message;
  }
}

}  // namespace
}  // namespace databuild
