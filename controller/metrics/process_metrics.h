// The process_* metrics every Prometheus client has, read from /proc/self when scraped.
#pragma once

namespace databuild {

class Metrics;

// Sets the process_* series. Values that cannot be read are left as they are.
void CollectProcess(Metrics& metrics);

}  // namespace databuild
