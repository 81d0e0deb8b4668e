#include "controller/api/caller_budget.h"

#include <mutex>
#include <unordered_map>

namespace databuild {

struct CallerBudget::Counts {
  std::mutex mutex;
  std::unordered_map<std::string, size_t> under_way;  // callers without a request are not in it
};

CallerBudget::CallerBudget(size_t most_at_once)
    : most_(most_at_once), counts_(std::make_shared<Counts>()) {}

Result<std::shared_ptr<const void>> CallerBudget::Take(const std::string& caller) {
  if (most_ == 0) return std::shared_ptr<const void>();
  {
    const std::lock_guard lock(counts_->mutex);
    size_t& count = counts_->under_way[caller];
    if (count >= most_) {
      return Error{Errc::kTooLarge, caller + " has " + std::to_string(count) +
                                        " requests under way, the most that one caller may have "
                                        "(api.maxRequestsPerCaller); wait for an answer"};
    }
    ++count;
  }
  return std::shared_ptr<const void>(nullptr, [counts = counts_, caller](const void*) {
    const std::lock_guard lock(counts->mutex);
    const auto it = counts->under_way.find(caller);
    if (--it->second == 0) counts->under_way.erase(it);
  });
}

}  // namespace databuild
