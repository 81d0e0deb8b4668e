#include "bel/ids.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "bel/base/check.h"
#include "bel/base/uuid.h"

namespace databuild {
namespace {

UuidBytes Sha1Prefix(std::string_view bytes) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // Fetched and made once: OpenSSL would look SHA-1 up and make a context anew for every id.
  static const EVP_MD* const kSha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> kContext(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  CHECK(EVP_DigestInit_ex2(kContext.get(), kSha1, nullptr) == 1);
  CHECK(EVP_DigestUpdate(kContext.get(), bytes.data(), bytes.size()) == 1);
  CHECK(EVP_DigestFinal_ex(kContext.get(), digest.data(), &size) == 1);
  CHECK(size >= 16);
  UuidBytes uuid{};
  std::copy_n(digest.begin(), uuid.size(), uuid.begin());
  return uuid;
}

}  // namespace

std::string UuidV5(std::string_view space, std::initializer_list<std::string_view> parts) {
  const std::optional<UuidBytes> known = ParseUuid(space);
  const UuidBytes space_uuid = known ? *known : Sha1Prefix(space);
  size_t size = space_uuid.size() + parts.size();
  for (std::string_view part : parts) size += part.size();
  std::string bytes;
  bytes.reserve(size);
  bytes.assign(space_uuid.begin(), space_uuid.end());
  bool first = true;
  for (std::string_view part : parts) {
    if (!first) bytes += '\n';
    first = false;
    bytes += part;
  }
  UuidBytes uuid = Sha1Prefix(bytes);
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x50);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return FormatUuid(uuid);
}

std::string InstanceId(std::string_view log_id, std::string_view ref, uint32_t n) {
  return UuidV5(log_id, {"instance", ref, std::to_string(n)});
}

std::string ExternalInstanceId(std::string_view log_id, std::string_view graph,
                               std::string_view peers_instance_id) {
  return UuidV5(log_id, {"external", graph, peers_instance_id});
}

std::string RunId(std::string_view log_id, std::string_view label,
                  const std::vector<std::string>& instance_ids, uint32_t k) {
  std::string joined;
  for (const std::string& id : instance_ids) joined += id + ',';
  return UuidV5(log_id, {"run", label, joined, std::to_string(k)});
}

std::string SkippedRunId(std::string_view build_request_id, std::string_view label,
                         std::vector<std::string> refs) {
  std::sort(refs.begin(), refs.end());
  std::string joined;
  for (const std::string& ref : refs) joined += ref + '\n';
  return UuidV5(build_request_id, {"skipped", label, joined});
}

std::string BuildRequestId(std::string_view want_id, uint32_t n) {
  return UuidV5(want_id, {"build", std::to_string(n)});
}

}  // namespace databuild
