// The operator's side of the spec protocol, for tests: JSON to the variables of the container.
#pragma once

#include <zstd.h>

#include <string>
#include <string_view>
#include <vector>

#include "wrapper/protocol.h"

namespace databuild::exec {

inline std::string EncodeBase64(std::string_view bytes) {
  static constexpr char kLetters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kLetters[bits >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

// DATABUILD_SPEC_CHUNKS first, then the chunks.
inline std::vector<std::string> EncodeSpec(std::string_view json) {
  std::string frame(ZSTD_compressBound(json.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), json.data(), json.size(), 3));
  const std::string text = EncodeBase64(frame);
  std::vector<std::string> env;
  for (size_t at = 0; at < text.size(); at += kSpecChunkBytes) {
    env.push_back(kSpecChunkEnvPrefix + std::to_string(env.size()) + "=" +
                  text.substr(at, kSpecChunkBytes));
  }
  env.insert(env.begin(), std::string(kSpecChunksEnv) + "=" + std::to_string(env.size()));
  return env;
}

}  // namespace databuild::exec
