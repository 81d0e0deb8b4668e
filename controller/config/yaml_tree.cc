#include "controller/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <sstream>

namespace databuild {
namespace {

constexpr size_t kMaxDepth = 32;

// Builds the tree from the parser's events; the first fault is kept, the rest of the text ignored.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string source) : source_(std::move(source)) {}

  Result<YamlTree> Take() {
    if (fault_) return *fault_;
    return std::move(root_);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Refuse(mark, "a second document; write one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlTree null;
    Place(mark, anchor, std::move(null));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "an alias; write the value itself");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    YamlTree scalar;
    scalar.kind = YamlTree::Kind::kScalar;
    scalar.scalar = value;
    scalar.quoted = tag == "!";
    Place(mark, anchor, std::move(scalar));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlTree::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlTree::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or map that is being filled; `key` is the map's key that waits for its value.
  struct Level {
    YamlTree tree;
    std::optional<YamlTree> key;
  };

  void Refuse(const YAML::Mark& mark, const std::string& problem) {
    if (!fault_) fault_ = YamlError(source_, mark.line + 1, problem);
  }

  // "?" and "" are what the parser gives plain nodes, "!" quoted scalars.
  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") Refuse(mark, "the tag " + tag + "; leave it out");
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlTree::Kind kind) {
    CheckTag(mark, tag);
    if (anchor != YAML::NullAnchor) Refuse(mark, "an anchor; leave it out");
    if (open_.size() == kMaxDepth) Refuse(mark, "nesting this deep");
    if (fault_ && open_.size() >= kMaxDepth) {
      ++ignored_;
      return;
    }
    open_.emplace_back();
    open_.back().tree.kind = kind;
    open_.back().tree.line = mark.line + 1;
  }

  void Close() {
    if (ignored_ > 0) {
      --ignored_;
      return;
    }
    YamlTree done = std::move(open_.back().tree);
    open_.pop_back();
    Attach(std::move(done));
  }

  void Place(const YAML::Mark& mark, YAML::anchor_t anchor, YamlTree node) {
    if (anchor != YAML::NullAnchor) Refuse(mark, "an anchor; leave it out");
    node.line = mark.line + 1;
    if (ignored_ == 0) Attach(std::move(node));
  }

  void Attach(YamlTree node) {
    if (fault_) return;  // an alias left a gap: pairs of keys and values no longer hold
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = open_.back();
    if (level.tree.kind == YamlTree::Kind::kList) {
      level.tree.items.push_back(std::move(node));
    } else if (!level.key) {
      level.key = std::move(node);
      CheckKey(level);
    } else {
      // The parser finds out that a value is missing only where the next key begins.
      if (node.kind == YamlTree::Kind::kNull) node.line = level.key->line;
      level.tree.entries.push_back({level.key->scalar, level.key->line, std::move(node)});
      level.key.reset();
    }
  }

  void CheckKey(const Level& level) {
    const YamlTree& key = *level.key;
    if (key.kind != YamlTree::Kind::kScalar) {
      fault_ = YamlError(source_, key.line, "a key that is no plain text");
      return;
    }
    auto same = std::find_if(level.tree.entries.begin(), level.tree.entries.end(),
                             [&](const YamlTree::Entry& entry) { return entry.key == key.scalar; });
    if (same == level.tree.entries.end()) return;
    fault_ = YamlError(source_, key.line,
                       "the key " + key.scalar + " stands already in line " +
                           std::to_string(same->line) + "; leave one of them");
  }

  std::string source_;
  std::vector<Level> open_;
  size_t ignored_ = 0;
  int documents_ = 0;
  YamlTree root_;
  std::optional<Error> fault_;
};

}  // namespace

Error YamlError(const std::string& source, int line, const std::string& problem) {
  return {Errc::kInvalidArgument, source + ":" + std::to_string(line) + ": " + problem};
}

Result<YamlTree> ParseYaml(const std::string& text, const std::string& source) {
  TreeBuilder builder(source);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& fault) {
    return YamlError(source, fault.mark.line + 1, "not YAML: " + fault.msg);
  }
  return builder.Take();
}

}  // namespace databuild
