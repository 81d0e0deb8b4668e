#include "controller/kube/frame_splitter.h"

namespace databuild::kube {

void FrameSplitter::Append(std::string_view bytes) {
  // What was handed out is dropped once it is the larger part.
  if (start_ > buffer_.size() / 2) {
    buffer_.erase(0, start_);
    at_ -= start_;
    start_ = 0;
  }
  buffer_.append(bytes);
}

void FrameSplitter::Reset() {
  buffer_.clear();
  start_ = at_ = 0;
  depth_ = 0;
  in_string_ = escaped_ = false;
}

Result<std::optional<std::string_view>> FrameSplitter::Next() {
  for (; at_ < buffer_.size(); ++at_) {
    char c = buffer_[at_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    if (depth_ == 0) {
      if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
      if (c != '{') {
        return Error{Errc::kCorrupt, "the watch sent a byte that begins no JSON object"};
      }
      start_ = at_;
      depth_ = 1;
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      size_t begin = start_;
      start_ = ++at_;
      return std::optional<std::string_view>(
          std::string_view(buffer_).substr(begin, start_ - begin));
    }
  }
  if (depth_ == 0) start_ = at_;
  if (at_ - start_ > max_) {
    return Error{Errc::kTooLarge,
                 "the watch sent an object larger than " + std::to_string(max_) + " bytes"};
  }
  return std::optional<std::string_view>();
}

}  // namespace databuild::kube
