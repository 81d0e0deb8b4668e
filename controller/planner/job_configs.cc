#include "controller/planner/job_configs.h"

#include <google/protobuf/util/json_util.h>

#include <map>
#include <set>

#include "bel/ranges/partition_ref.h"

namespace databuild {
namespace {

constexpr size_t kMaxAnswerBytes = 1 << 20;
constexpr size_t kMaxRecordedBytes = 768 << 10;  // an event has at most 1 MiB
constexpr int kMaxInputs = 10'000;

Error Invalid(const std::string& what) {
  return {Errc::kInvalidArgument, "the answer to `config` is refused: " + what};
}

Status CheckInputs(v1::JobConfig& config, const std::set<std::string>& own) {
  if (config.inputs_size() > kMaxInputs) return Invalid("a config has more than 10,000 inputs");
  std::set<std::string> seen;
  for (v1::DataDep& input : *config.mutable_inputs()) {
    const std::string& ref = input.partition_ref().str();
    if (!IsPartitionRef(ref)) {
      return Invalid("an input of " + *own.begin() +
                     " is no partition ref (printable ASCII, 1 to 1,024 bytes)");
    }
    if (own.contains(ref)) return Invalid(ref + " is an input of itself");
    if (!seen.insert(ref).second)
      return Invalid(ref + " is an input of " + *own.begin() + " twice");
    if (!v1::DepType_IsValid(input.dep_type_code()))
      return Invalid("input " + ref + " has an unknown depTypeCode");
    // The code's zero is QUERY, so a name alone would be lost.
    const std::string& name = input.dep_type_name();
    if (!name.empty() && name != "materialize" && name != "query")
      return Invalid("input " + ref + ": depTypeName is neither materialize nor query");
    if (name == "materialize") input.set_dep_type_code(v1::MATERIALIZE);
    input.clear_dep_type_name();
  }
  return {};
}

std::set<std::string> OutputsOf(const v1::JobConfig& config) {
  std::set<std::string> outputs;
  for (const v1::PartitionRef& output : config.outputs()) outputs.insert(output.str());
  return outputs;
}

}  // namespace

Result<std::vector<v1::JobConfig>> ReadConfigs(const std::string& answer,
                                               const std::vector<std::vector<std::string>>& units) {
  if (answer.empty()) return Invalid("there is none");
  if (answer.size() > kMaxAnswerBytes) return Invalid("it has more than 1 MiB");
  v1::JobConfigureResponse response;
  const auto parsed = google::protobuf::util::JsonStringToMessage(answer, &response);
  if (!parsed.ok())
    return Invalid("it is no JobConfigureResponse: " + std::string(parsed.message()));
  std::map<std::set<std::string>, v1::JobConfig*> by_outputs;
  for (v1::JobConfig& config : *response.mutable_configs()) {
    const std::set<std::string> outputs = OutputsOf(config);
    if (outputs.empty()) return Invalid("a config has no outputs");
    RETURN_IF_ERROR(CheckInputs(config, outputs));
    if (!by_outputs.emplace(outputs, &config).second)
      return Invalid("there are two configs for " + *outputs.begin());
  }
  std::vector<v1::JobConfig> configs;
  size_t bytes = 0;
  for (const std::vector<std::string>& unit : units) {
    const auto found = by_outputs.find({unit.begin(), unit.end()});
    if (found == by_outputs.end()) {
      return Invalid("no config makes exactly " + unit.front() +
                     (unit.size() > 1 ? " and what is made with it" : ""));
    }
    v1::JobConfig& config = configs.emplace_back(std::move(*found->second));
    config.clear_outputs();
    for (const std::string& ref : unit) config.add_outputs()->set_str(ref);
    bytes += config.ByteSizeLong();
    by_outputs.erase(found);
  }
  if (!by_outputs.empty())
    return Invalid(*by_outputs.begin()->first.begin() + " was not asked for");
  if (bytes > kMaxRecordedBytes) return Invalid("its configs take more than 768 KiB");
  return configs;
}

}  // namespace databuild
