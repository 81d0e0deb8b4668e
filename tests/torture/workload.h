// The events that callers append, made from a tag alone, so that every process can make the same
// ones again: batch "3-1-17" is number 17 of caller 1 of process 3.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bel/storage.h"
#include "databuild/v1/databuild.pb.h"
#include "tests/torture/history.h"

namespace databuild::torture {

inline constexpr char kGraph[] = "tortured";
inline constexpr char kCluster[] = "cluster-1";

// One to three events: a want, and what becomes of it.
std::vector<v1::BuildEvent> BatchOf(const std::string& tag);
// "torture/<group>/<number>"
std::string RefOf(const std::string& tag);

// The whole log, read from the storage. kCorrupt also for events that are no workload.
Result<std::vector<LoggedEvent>> ReadLog(Storage& storage);

}  // namespace databuild::torture
