#include "controller/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <unordered_map>
#include <variant>

#include "bel/base/check.h"

namespace databuild {
namespace {

using Series = std::variant<prometheus::Counter*, prometheus::Gauge*, prometheus::Histogram*>;
using AnyFamily = std::variant<std::unique_ptr<prometheus::Family<prometheus::Counter>>,
                               std::unique_ptr<prometheus::Family<prometheus::Gauge>>,
                               std::unique_ptr<prometheus::Family<prometheus::Histogram>>>;

std::vector<std::string> SplitLabels(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    names.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return names;
}

AnyFamily MakeFamily(const MetricSpec& spec) {
  const std::map<std::string, std::string> none;
  switch (spec.kind) {
    case MetricKind::kCounter:
      return std::make_unique<prometheus::Family<prometheus::Counter>>(spec.name, spec.help, none);
    case MetricKind::kGauge:
      return std::make_unique<prometheus::Family<prometheus::Gauge>>(spec.name, spec.help, none);
    case MetricKind::kHistogram:
      return std::make_unique<prometheus::Family<prometheus::Histogram>>(spec.name, spec.help,
                                                                         none);
  }
  CHECK(false);
}

}  // namespace

// The series of one metric. The library's references die with Remove, so use of a series holds the
// shared side of the lock and removal the other one.
class Metrics::Family {
 public:
  explicit Family(const MetricSpec& spec)
      : spec_(spec), label_names_(SplitLabels(spec.labels)), family_(MakeFamily(spec)) {}

  template <typename Use>
  void With(LabelValues labels, Use use) {
    CHECK(labels.size() == label_names_.size());
    const std::string key = KeyOf(labels);
    {
      std::shared_lock lock(mutex_);
      if (const auto it = series_.find(key); it != series_.end()) return use(it->second.series);
    }
    std::unique_lock lock(mutex_);
    auto it = series_.find(key);
    if (it == series_.end()) it = series_.emplace(key, Make(labels)).first;
    use(it->second.series);
  }

  double Value(LabelValues labels) const {
    std::shared_lock lock(mutex_);
    const auto it = series_.find(KeyOf(labels));
    if (it == series_.end()) return 0;
    if (const auto* counter = std::get_if<prometheus::Counter*>(&it->second.series))
      return (*counter)->Value();
    if (const auto* gauge = std::get_if<prometheus::Gauge*>(&it->second.series))
      return (*gauge)->Value();
    return 0;
  }

  void Drop(LabelValues labels) {
    std::unique_lock lock(mutex_);
    const auto it = series_.find(KeyOf(labels));
    if (it == series_.end()) return;
    Remove(it->second.series);
    series_.erase(it);
  }

  void Forget(std::string_view label, std::string_view value) {
    for (size_t i = 0; i < label_names_.size(); ++i) {
      if (label_names_[i] != label) continue;
      std::unique_lock lock(mutex_);
      for (auto it = series_.begin(); it != series_.end();) {
        if (it->second.labels[i] != value) {
          ++it;
          continue;
        }
        Remove(it->second.series);
        it = series_.erase(it);
      }
    }
  }

  void Collect(std::vector<prometheus::MetricFamily>& out) const {
    std::shared_lock lock(mutex_);
    std::visit(
        [&](const auto& family) {
          for (auto& collected : family->Collect()) out.push_back(std::move(collected));
        },
        family_);
  }

 private:
  struct Entry {
    Series series;
    std::vector<std::string> labels;
  };

  static std::string KeyOf(LabelValues labels) {
    std::string key;
    for (std::string_view label : labels) {
      key.append(label);
      key.push_back('\xff');  // never part of UTF-8 text
    }
    return key;
  }

  Entry Make(LabelValues labels) {
    std::map<std::string, std::string> named;
    Entry entry;
    for (std::string_view label : labels) {
      named.emplace(label_names_[entry.labels.size()], label);
      entry.labels.emplace_back(label);
    }
    if (auto* counters = std::get_if<0>(&family_)) entry.series = &(*counters)->Add(named);
    if (auto* gauges = std::get_if<1>(&family_)) entry.series = &(*gauges)->Add(named);
    if (auto* histograms = std::get_if<2>(&family_)) {
      entry.series = &(*histograms)
                          ->Add(named, prometheus::Histogram::BucketBoundaries(spec_.bounds.begin(),
                                                                               spec_.bounds.end()));
    }
    return entry;
  }

  void Remove(const Series& series) {
    if (const auto* counter = std::get_if<prometheus::Counter*>(&series))
      std::get<0>(family_)->Remove(*counter);
    if (const auto* gauge = std::get_if<prometheus::Gauge*>(&series))
      std::get<1>(family_)->Remove(*gauge);
    if (const auto* histogram = std::get_if<prometheus::Histogram*>(&series)) {
      std::get<2>(family_)->Remove(*histogram);
    }
  }

  const MetricSpec& spec_;
  const std::vector<std::string> label_names_;
  mutable std::shared_mutex mutex_;  // guards family_ and series_
  AnyFamily family_;
  std::unordered_map<std::string, Entry> series_;  // by label values
};

Metrics::Metrics() {
  for (const MetricSpec& spec : AllMetrics()) families_.push_back(std::make_unique<Family>(spec));
}

Metrics::~Metrics() = default;

Metrics::Family& Metrics::FamilyOf(Metric metric) const {
  return *families_[static_cast<size_t>(SpecOf(metric).id)];
}

void Metrics::Add(Metric metric, LabelValues labels, double by) {
  FamilyOf(metric).With(labels, [by](const Series& series) {
    if (const auto* counter = std::get_if<prometheus::Counter*>(&series)) {
      (*counter)->Increment(by);
    } else {
      std::get<prometheus::Gauge*>(series)->Increment(by);
    }
  });
}

void Metrics::Set(Metric metric, LabelValues labels, double value) {
  CHECK(SpecOf(metric).kind == MetricKind::kGauge);
  FamilyOf(metric).With(
      labels, [value](const Series& series) { std::get<prometheus::Gauge*>(series)->Set(value); });
}

void Metrics::RaiseTo(Metric metric, LabelValues labels, double total) {
  CHECK(SpecOf(metric).kind == MetricKind::kCounter);
  FamilyOf(metric).With(labels, [total](const Series& series) {
    prometheus::Counter* counter = std::get<prometheus::Counter*>(series);
    const double missing = total - counter->Value();
    if (missing > 0) counter->Increment(missing);
  });
}

void Metrics::Observe(Metric metric, LabelValues labels, double value) {
  CHECK(SpecOf(metric).kind == MetricKind::kHistogram);
  FamilyOf(metric).With(labels, [value](const Series& series) {
    std::get<prometheus::Histogram*>(series)->Observe(value);
  });
}

void Metrics::Drop(Metric metric, LabelValues labels) { FamilyOf(metric).Drop(labels); }

void Metrics::Forget(std::string_view label, std::string_view value) {
  for (const auto& family : families_) family->Forget(label, value);
}

double Metrics::Value(Metric metric, LabelValues labels) const {
  return FamilyOf(metric).Value(labels);
}

void Metrics::OnScrape(std::function<void(Metrics&)> collect) {
  std::lock_guard lock(scrape_mutex_);
  collectors_.push_back(std::move(collect));
}

std::string Metrics::Scrape() {
  std::lock_guard lock(scrape_mutex_);
  for (const auto& collect : collectors_) collect(*this);
  std::vector<prometheus::MetricFamily> collected;
  for (const auto& family : families_) family->Collect(collected);
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, collected);
  return out.str();
}

}  // namespace databuild
