// The directory through which a run and its command exchange lists, manifest and missing refs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bel/base/result.h"
#include "wrapper/spec.h"

namespace databuild::exec {

class WorkDir {
 public:
  // A new directory (mode 0700) with outputs.json and inputs.json, in the first of `parents` where
  // that works: one may be missing, read-only or full. kUnavailable says what each one answered.
  static Result<WorkDir> Create(const std::vector<std::string>& parents, const RunSpec& spec);

  const std::string& path() const { return path_; }
  std::string outputs_file() const { return path_ + "/outputs.json"; }
  std::string inputs_file() const { return path_ + "/inputs.json"; }
  std::string manifest_file() const { return path_ + "/manifest.json"; }
  std::string missing_file() const { return path_ + "/missing"; }

  // Removes the files above, and the directory if the command left nothing else in it.
  void Remove() const;

 private:
  explicit WorkDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// A file the command may have written: nullopt if there is none. Only a regular file is read (not a
// link, pipe or device), and only up to `bytes_max`: more is kTooLarge.
Result<std::optional<std::string>> ReadReturnedFile(const std::string& path, size_t bytes_max);

}  // namespace databuild::exec
