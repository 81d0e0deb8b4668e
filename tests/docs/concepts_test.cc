// docs/concepts.md, played from top to bottom: what its YAML applies, its commands do and its
// tables promise, in the planner's world. A block in another language than these fails.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "controller/kube/codec.h"
#include "tests/support/planner_world.h"

namespace databuild {
namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

constexpr char kPage[] = "docs/concepts.md";

struct Block {
  std::string language;
  int line = 0;  // of its fence
  std::vector<std::string> lines;
};
struct Section {
  std::string title;
  std::vector<Block> blocks;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  CHECK(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Section> SectionsOf(const std::string& text) {
  std::vector<Section> sections{{"", {}}};
  std::istringstream in(text);
  std::string line;
  bool inside = false;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("```")) {
      inside = !inside;
      if (inside) sections.back().blocks.push_back({line.substr(3), number, {}});
    } else if (inside) {
      sections.back().blocks.back().lines.push_back(line);
    } else if (line.starts_with("## ")) {
      sections.push_back({line.substr(3), {}});
    }
  }
  return sections;
}

Json ToJson(const YAML::Node& node) {
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& entry : node) object[entry.first.Scalar()] = ToJson(entry.second);
    return object;
  }
  if (node.IsSequence()) {
    Json list = Json::array();
    for (const auto& item : node) list.push_back(ToJson(item));
    return list;
  }
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true" || text == "false") return text == "true";
  static const std::regex kNumber("-?[0-9]+");
  return std::regex_match(text, kNumber) ? Json(std::stoll(text)) : Json(text);
}

// Cells stand two spaces or more apart; those of the last column may hold anything.
Row Cells(const std::string& line, size_t columns) {
  static const std::regex kGap(" {2,}");
  Row cells;
  std::string rest = line;
  for (std::smatch gap; cells.size() + 1 < columns && std::regex_search(rest, gap, kGap);) {
    cells.push_back(gap.prefix());
    rest = gap.suffix();
  }
  cells.push_back(rest.substr(0, rest.find_last_not_of(' ') + 1));
  while (cells.size() < columns) cells.emplace_back();
  return cells;
}

std::string ConditionOf(const std::vector<Condition>& conditions, const std::string& type,
                        bool reason) {
  for (const Condition& one : conditions) {
    if (one.type == type) return reason ? one.reason : one.status;
  }
  return "<none>";
}

// What the container of the run's DataJob would do.
JobEnd EndOf(const CreateJob& job) {
  const Json pod = Json::parse(job.definition->template_json, nullptr, false);
  const auto at = [](const char* path) {
    return Json::json_pointer("/spec/containers/0/" + std::string(path));
  };
  if (!pod.is_object() || !pod.contains(at("command"))) return {};
  std::string command;
  for (const char* part : {"command", "args"}) {
    for (const Json& word : pod.value(at(part), Json::array()))
      command += (command.empty() ? "" : " ") + word.get<std::string>();
  }
  static const std::regex kMissing("sh -c grep -q (\\S+) .* echo (\\S+) > .DATABUILD_MISSING.*");
  std::smatch match;
  if (command == "true") return {};
  if (command == "false") return {"Failed", 1, {}, "Error"};
  if (command == "sleep infinity") return {"Hang", 0, {}, ""};
  EXPECT_TRUE(std::regex_match(command, match, kMissing)) << "what does this do: " << command;
  for (const auto& [ref, instance] : job.inputs) {
    if (ref == match[1]) return {};
  }
  return {"MissingDependencies", 75, {match[2]}, "Error"};
}

// One section's namespace.
class Player {
 public:
  Player() { world_.cluster.rule = EndOf; }
  ~Player() {
    EXPECT_EQ(world_.violation(), "");
    if (::testing::Test::HasFailure()) std::cerr << world_.Transcript();
  }

  void Play(const Block& block) {
    SCOPED_TRACE(std::string(kPage) + ":" + std::to_string(block.line));
    if (block.language == "yaml") return Apply(block);
    if (block.language == "console") return Console(block);
    ASSERT_EQ(block.language, "text") << "no such language on this page";
    ASSERT_TRUE(block.lines.at(0).starts_with("PARTITION ")) << "a table of what?";
    Table(block.lines, [&](const std::string& column) { return RefColumn(column); });
  }

 private:
  using Cell = std::function<std::string(const std::string& name)>;

  void Apply(const Block& block) {
    std::string text;
    for (const std::string& line : block.lines) text += line + "\n";
    for (const YAML::Node& node : YAML::LoadAll(text)) ApplyOne(ToJson(node));
    world_.Run(kMinute);
  }

  void ApplyOne(Json object) {
    if (object["kind"] == "DataJob" && !object["spec"].contains("template")) {
      object["spec"]["template"]["spec"]["containers"] =
          Json::parse(R"([{"name": "job", "image": "busybox", "command": ["true"]}])");
    }
    kube::JsonParser parser;
    const auto parsed = parser.Parse(object.dump());
    ASSERT_TRUE(parsed.ok());
    const std::string name = object.at("metadata").at("name"), kind = object.at("kind");
    const auto put = [&](auto decoded, auto&& make) {
      EXPECT_EQ(decoded.error, "") << name;
      auto& held = make();
      decoded.meta = held.meta;
      held = std::move(decoded);
    };
    FakeCluster& cluster = world_.cluster;
    if (kind == "Want") {
      const bool fresh = !cluster.wants().contains(name);
      ASSERT_TRUE(fresh) << "Want " << name << " is there already";
      put(
          kube::DecodeWant(*parsed), [&]() -> auto& { return cluster.PutWant(name, {}); });
    } else if (kind == "Taint") {
      put(
          kube::DecodeTaint(*parsed), [&]() -> auto& { return cluster.PutTaint(name, {}); });
    } else {
      ASSERT_EQ(kind, "DataJob");
      const auto known = cluster.data_jobs().find(name);
      ObservedDataJob job = kube::DecodeDataJob(*parsed);
      if (known != cluster.data_jobs().end()) {
        EXPECT_EQ(job.error, "") << name;
        job.meta = known->second->meta;
        return cluster.Touch(job);
      }
      put(
          std::move(job), [&]() -> auto& { return cluster.PutDataJob(name, {}); });
    }
  }

  void Console(const Block& block) {
    static const std::regex kLater("# ([0-9]+) min later");
    for (size_t at = 0; at < block.lines.size();) {
      const std::string& line = block.lines[at++];
      std::smatch match;
      if (std::regex_match(line, match, kLater)) {
        const TimeNs until = world_.clock.now + std::stoll(match[1]) * kMinute;
        world_.Run(until - world_.clock.now);
        if (world_.clock.now < until) world_.clock.now = until;
        world_.Run(kSecond);
        continue;
      }
      ASSERT_TRUE(line.starts_with("$ kubectl ")) << line;
      std::vector<std::string> table;
      while (at < block.lines.size() && block.lines[at][0] != '$' && block.lines[at][0] != '#')
        table.push_back(block.lines[at++]);
      Command(line.substr(sizeof("$ kubectl ") - 1), table);
    }
  }

  void Command(const std::string& command, const std::vector<std::string>& table) {
    static const std::regex kDelete("delete (want|taint|datajob) (\\S+)");
    static const std::regex kRetry("annotate (want|datajob) (\\S+) databuild.dev/retry=(\\S+)");
    static const std::regex kGet("get (want|datajob)s?( \\S+)?");
    std::smatch match;
    FakeCluster& cluster = world_.cluster;
    if (std::regex_match(command, match, kDelete)) {
      if (match[1] == "want") cluster.DeleteWant(match[2]);
      if (match[1] == "taint") cluster.DeleteTaint(match[2]);
      if (match[1] == "datajob") cluster.DeleteDataJob(match[2]);
    } else if (std::regex_match(command, match, kRetry)) {
      match[1] == "want" ? cluster.SetRetry(match[2], match[3])
                         : cluster.SetJobRetry(match[2], match[3]);
    } else {
      ASSERT_TRUE(std::regex_match(command, match, kGet)) << command;
      const bool wants = match[1] == "want";
      ASSERT_FALSE(table.empty()) << "what is seen?";
      Table(table, [&](const std::string& column) {
        return wants ? WantColumn(column) : JobColumn(column);
      });
      const size_t rows = wants ? cluster.wants().size() : cluster.data_jobs().size();
      EXPECT_TRUE(match[2].matched || table.size() - 1 == rows) << "there are " << rows;
    }
    world_.Run(kMinute);
  }

  // Header, then rows that begin with a name.
  void Table(const std::vector<std::string>& lines,
             const std::function<Cell(const std::string&)>& column) {
    const Row header = HeaderOf(lines.at(0));
    ASSERT_GE(lines.size(), 2u) << "an empty table";
    for (size_t row = 1; row < lines.size(); ++row) {
      const Row cells = Cells(lines[row], header.size());
      for (size_t i = 1; i < header.size(); ++i)
        EXPECT_EQ(column(header[i])(cells[0]), cells[i]) << cells[0] << ", " << header[i];
    }
  }
  static Row HeaderOf(const std::string& line) {
    std::istringstream in(line);
    return {std::istream_iterator<std::string>(in), {}};
  }

  Cell WantColumn(const std::string& column) {
    return [this, column](const std::string& name) -> std::string {
      if (!world_.cluster.wants().contains(name)) return "there is no such Want";
      const WantStatus& status = world_.cluster.want_status.at(name);
      if (column == "READY") return ConditionOf(status.conditions, "Ready", false);
      if (column == "REASON") return ConditionOf(status.conditions, "Ready", true);
      if (column == "PROGRESS") return status.progress;
      if (column == "SLA") return ConditionOf(status.conditions, "SLAMet", false);
      return "there is no such column";
    };
  }
  Cell JobColumn(const std::string& column) {
    return [this, column](const std::string& name) -> std::string {
      if (!world_.cluster.data_jobs().contains(name)) return "there is no such DataJob";
      const DataJobStatus& status = world_.cluster.job_status.at(name);
      if (column == "ACCEPTED") return ConditionOf(status.conditions, "Accepted", false);
      if (column == "REASON") return ConditionOf(status.conditions, "Accepted", true);
      if (column == "SUCCEEDED") return std::to_string(status.succeeded);
      return "there is no such column";
    };
  }
  Cell RefColumn(const std::string& column) {
    return [this, column](const std::string& ref) -> std::string {
      if (column == "STATE") return world_.RefStatus(ref);
      if (column == "RUNS") return std::to_string(world_.RunsOf(ref));
      if (column != "REASON" && column != "MESSAGE") return "there is no such column";
      const PartitionReason why = WhyNot(ref);
      if (why.reason == "Available") return "";
      return column == "REASON" ? why.reason : why.message;
    };
  }
  // In the view of the Want that asks for it, or of the only one.
  PartitionReason WhyNot(const std::string& ref) const {
    std::string asker = world_.cluster.wants().begin()->first;
    for (const auto& [name, want] : world_.cluster.wants()) {
      const auto& refs = want->partitions;
      if (std::find(refs.begin(), refs.end(), ref) != refs.end()) asker = name;
    }
    return world_.Why(asker, ref);
  }

  PlannerWorld world_;
};

TEST(Concepts, EveryExampleDoesWhatThePageSays) {
  const std::vector<Section> sections = SectionsOf(ReadFile(kPage));
  ASSERT_EQ(sections.front().blocks.size(), 1u) << "the jobs that every section begins with";
  size_t examples = 0;
  for (size_t i = 1; i < sections.size(); ++i) {
    SCOPED_TRACE(sections[i].title);
    Player player;
    player.Play(sections.front().blocks.front());
    for (const Block& block : sections[i].blocks) {
      player.Play(block);
      examples += block.language != "yaml";
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GE(examples, 25u) << "the page has lost its examples";
}

// The names of reason.h.
std::set<std::string> Reasons() {
  static const std::regex kConstant("constexpr char k[A-Za-z]+\\[\\] = \"([A-Za-z]+)\";");
  const std::string text = ReadFile("controller/planner/reason.h");
  std::set<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), kConstant), end; it != end; ++it)
    names.insert((*it)[1]);
  return names;
}

TEST(Concepts, EveryReasonIsExplained) {
  static const std::regex kRow("\\| (`.*`) \\| .* \\|"), kName("`([A-Za-z]+)`");
  std::istringstream in(ReadFile(kPage));
  std::set<std::string> explained{"Available"};  // is no reason for something missing
  for (std::string line; std::getline(in, line);) {
    std::smatch row;
    if (!std::regex_match(line, row, kRow)) continue;
    const std::string names = row[1];
    for (std::sregex_iterator it(names.begin(), names.end(), kName), end; it != end; ++it)
      explained.insert((*it)[1]);
  }
  EXPECT_EQ(explained, Reasons());
}

// What a test expects of a reason stands in it as a text: "BuildFailed", or "False BuildFailed".
TEST(Concepts, EveryReasonIsExpectedByATestOfThePlanner) {
  std::string tests;
  for (const char* name : {"external", "reason", "scale", "story", "watches"})
    tests += ReadFile("controller/planner/planner_" + std::string(name) + "_test.cc");
  tests += ReadFile("controller/planner/planner_test.cc");
  const std::set<std::string> reasons = Reasons();
  EXPECT_GE(reasons.size(), 20u);
  for (const std::string& name : reasons) {
    const std::regex expected("EXPECT_EQ\\([^;]*\"(True |False )?" + name + "\"\\)");
    EXPECT_TRUE(std::regex_search(tests, expected)) << "no test expects " << name;
  }
}

}  // namespace
}  // namespace databuild
