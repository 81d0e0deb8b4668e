// Prints docs/metrics.md.
#include <iostream>

#include "controller/metrics/metric_table.h"

int main() {
  std::cout << databuild::MetricsDocument();
  return std::cout.good() ? 0 : 1;
}
