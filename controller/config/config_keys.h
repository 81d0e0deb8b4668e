// The table of the configuration's keys: what reading, --set and --print-config all go through.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controller/config/config.h"

namespace databuild {

struct ConfigDuration {
  DurationNs* value;
  bool may_be_zero = false;
};

struct ConfigNumber {
  int64_t* value;
  int64_t least;
  int64_t most;
};

struct ConfigKey {
  std::string path;  // "api.tls.certFile"
  std::variant<std::string*, bool*, ConfigNumber, ConfigDuration, std::vector<std::string>*,
               std::vector<PeerConfig>*>
      field;
};

// The keys of one entry of `peers`.
std::vector<ConfigKey> PeerKeys(PeerConfig* peer);

// In the order of the file; keys of one section stand together. Points into `config`.
std::vector<ConfigKey> ConfigKeys(Config* config);

}  // namespace databuild
