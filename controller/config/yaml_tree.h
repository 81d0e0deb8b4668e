// YamlTree: YAML as plain data with line numbers, and nothing of YAML that surprises: one document,
// no anchors, no aliases, no tags, no key twice in a map.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bel/base/result.h"

namespace databuild {

struct YamlTree {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  int line = 1;
  std::string scalar;
  bool quoted = false;  // a quoted scalar is a string whatever it looks like
  std::vector<YamlTree> items;
  std::vector<Entry> entries;  // in the order of the text
};

struct YamlTree::Entry {
  std::string key;
  int line = 1;
  YamlTree value;
};

// An empty text is a null. Errors: kInvalidArgument, "SOURCE:LINE: what is wrong".
Result<YamlTree> ParseYaml(const std::string& text, const std::string& source);

Error YamlError(const std::string& source, int line, const std::string& problem);

}  // namespace databuild
