// Exponential backoff with jitter, as client-go's reflector: 0.8 s doubling to 30 s, each wait
// stretched by up to its own length; starts over after two minutes without a failure.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace databuild::kube {

struct BackoffSettings {
  std::chrono::milliseconds initial{800};
  std::chrono::milliseconds cap{30'000};
  std::chrono::milliseconds reset_after{120'000};
};

// One thread at a time. Time comes in, so that tests need no waiting.
class Backoff {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Backoff(const BackoffSettings& settings, uint64_t seed)
      : settings_(settings), next_(settings.initial), random_(seed) {}

  // How long to wait after a failure at `now`.
  std::chrono::milliseconds Next(Time now) {
    if (failed_ && now - last_failure_ >= settings_.reset_after) next_ = settings_.initial;
    failed_ = true;
    auto wait = next_;
    next_ = std::min(next_ * 2, settings_.cap);
    std::uniform_real_distribution<double> jitter(1.0, 2.0);
    auto stretched =
        std::chrono::milliseconds(static_cast<int64_t>(wait.count() * jitter(random_)));
    last_failure_ = now + stretched;
    return stretched;
  }

 private:
  const BackoffSettings settings_;
  std::chrono::milliseconds next_;
  std::mt19937_64 random_;
  bool failed_ = false;
  Time last_failure_{};  // when the wait after it was over
};

}  // namespace databuild::kube
