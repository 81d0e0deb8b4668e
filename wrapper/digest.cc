#include "wrapper/digest.h"

// Init, Update and Final alone: the EVP layer, and SHA256() with it, would link all of OpenSSL's
// providers into the binary.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "bel/base/crc32c.h"
#include "wrapper/protocol.h"

namespace databuild::exec {
namespace {

using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

constexpr char kHex[] = "0123456789abcdef";
// Blocks that may wait for the second thread: enough to keep it busy, little memory.
constexpr size_t kWaitingMax = 3;

std::string Hex(const unsigned char* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text.push_back(kHex[bytes[i] >> 4]);
    text.push_back(kHex[bytes[i] & 15]);
  }
  return text;
}

Hash Sha256(const std::vector<unsigned char>& block) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, block.data(), block.size());
  Hash hash;
  SHA256_Final(hash.data(), &context);
  return hash;
}

}  // namespace

// Hashes of blocks in order, computed in any order.
class StreamDigest::Blocks {
 public:
  Blocks() { SHA256_Init(&outer_); }

  void Append(std::string_view bytes, bool with_thread) {
    while (!bytes.empty()) {
      if (current_.capacity() == 0) current_.reserve(kDigestBlockBytes);
      const size_t part = std::min(bytes.size(), kDigestBlockBytes - current_.size());
      current_.insert(current_.end(), bytes.begin(), bytes.begin() + static_cast<long>(part));
      bytes.remove_prefix(part);
      if (current_.size() == kDigestBlockBytes) Close(with_thread);
    }
  }

  Hash Finish() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return AllHashed(); });
    Fold();
    SHA256_CTX outer = outer_;
    lock.unlock();
    if (!current_.empty()) {
      const Hash last = Sha256(current_);
      SHA256_Update(&outer, last.data(), last.size());
    }
    Hash hash;
    SHA256_Final(hash.data(), &outer);
    return hash;
  }

 private:
  struct Slot {
    std::vector<unsigned char> block;  // until it is hashed
    std::optional<Hash> hash;
  };

  // The current block is full: to the second thread if it has time, else hashed here.
  void Close(bool with_thread) {
    with_thread = with_thread && StartThread();
    std::unique_lock lock(mutex_);
    Fold();
    if (with_thread && waiting_.size() < kWaitingMax) {
      slots_.push_back({std::exchange(current_, TakeSpare()), std::nullopt});
      waiting_.push_back(&slots_.back());
      wake_.notify_one();
      return;
    }
    slots_.emplace_back();
    Slot& slot = slots_.back();
    lock.unlock();
    const Hash hash = Sha256(current_);
    current_.clear();
    lock.lock();
    slot.hash = hash;
  }

  // False if the container may have no more threads: its job may have used them up.
  bool StartThread() {
    if (thread_.joinable()) return true;
    try {
      thread_ = std::jthread([this](const std::stop_token& stop) { Work(stop); });
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }

  void Work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (wake_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
      Slot* const slot = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      const Hash hash = Sha256(slot->block);
      lock.lock();
      slot->hash = hash;
      slot->block.clear();
      spare_.push_back(std::move(slot->block));
      done_.notify_one();
    }
  }

  // The three below: with mutex_ held.
  void Fold() {
    for (; !slots_.empty() && slots_.front().hash; slots_.pop_front()) {
      SHA256_Update(&outer_, slots_.front().hash->data(), slots_.front().hash->size());
    }
  }
  bool AllHashed() const {
    return std::all_of(slots_.begin(), slots_.end(),
                       [](const Slot& s) { return s.hash.has_value(); });
  }
  std::vector<unsigned char> TakeSpare() {
    if (spare_.empty()) return {};
    std::vector<unsigned char> block = std::move(spare_.back());
    spare_.pop_back();
    return block;
  }

  std::vector<unsigned char> current_;  // the owner's alone
  std::mutex mutex_;                    // guards everything below but the thread
  std::condition_variable_any wake_;    // waiting_ is not empty
  std::condition_variable_any done_;    // another slot has its hash
  SHA256_CTX outer_;                    // over the hashes of the first blocks
  std::deque<Slot> slots_;              // the blocks after those, in order; addresses are stable
  std::deque<Slot*> waiting_;
  std::vector<std::vector<unsigned char>> spare_;  // buffers to use again
  std::jthread thread_;                            // last: stopped and joined before the rest goes
};

StreamDigest::StreamDigest() : blocks_(std::make_unique<Blocks>()) {}
StreamDigest::~StreamDigest() = default;

void StreamDigest::Update(std::string_view bytes) {
  crc_ = ExtendCrc32c(crc_, bytes);
  bytes_ += bytes.size();
  blocks_->Append(bytes, bytes_ > kInlineBytes);
}

std::string StreamDigest::Crc32cHex() const {
  const unsigned char bytes[4] = {
      static_cast<unsigned char>(crc_ >> 24), static_cast<unsigned char>(crc_ >> 16),
      static_cast<unsigned char>(crc_ >> 8), static_cast<unsigned char>(crc_)};
  return Hex(bytes, sizeof(bytes));
}

std::string StreamDigest::Sha256Hex() const {
  const Hash hash = blocks_->Finish();
  return Hex(hash.data(), hash.size());
}

}  // namespace databuild::exec
