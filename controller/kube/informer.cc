#include "controller/kube/informer.h"

#include <condition_variable>

#include "bel/base/log.h"
#include "controller/kube/frame_splitter.h"

namespace databuild::kube {

namespace {

using std::chrono::steady_clock;

// A watch that ends sooner, without an event, was refused by a server that does not say so.
constexpr auto kShortWatch = std::chrono::seconds(1);
constexpr int kFruitlessWatchesMax = 3;

uint64_t SeedOf(const InformerOptions& options) {
  return options.seed != 0 ? options.seed : std::random_device{}();
}

}  // namespace

Informer::Informer(ApiClient& client, ObjectSink& sink, InformerOptions options)
    : client_(client),
      sink_(sink),
      options_(std::move(options)),
      path_{options_.type, options_.ns, "", ""},
      random_(SeedOf(options_)),
      backoff_(options_.backoff, random_()) {}

Informer::~Informer() { Stop(); }

void Informer::Start() {
  CHECK(!thread_.joinable());
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

void Informer::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

InformerHealth Informer::health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

void Informer::NoteContact() {
  std::lock_guard lock(mutex_);
  health_.last_contact = steady_clock::now();
}

void Informer::NoteFailure(const std::string& message) {
  bool repeated;
  {
    std::lock_guard lock(mutex_);
    ++health_.failures;
    repeated = health_.last_error == message;
    health_.last_error = message;
  }
  if (!repeated) LogWarn("informer interrupted", {{"resource", path_.Text()}, {"error", message}});
}

void Informer::Pause(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, backoff_.Next(steady_clock::now()), [] { return false; });
}

void Informer::Run(std::stop_token stop) {
  Next next = Next::kRelist;
  while (!stop.stop_requested()) {
    // A server that refuses every version at once must not be listed in a tight loop.
    if (next == Next::kRelist && steady_clock::now() - last_list_ < kShortWatch)
      next = Next::kRelistAfterBackoff;
    if (next == Next::kWatchAfterBackoff || next == Next::kRelistAfterBackoff) Pause(stop);
    if (stop.stop_requested()) return;
    if (next == Next::kRelist || next == Next::kRelistAfterBackoff) {
      last_list_ = steady_clock::now();
      next = ListWithFallback(stop) ? Next::kWatch : Next::kRelistAfterBackoff;
    } else {
      next = WatchOnce(stop);
    }
  }
}

// ---- List

bool Informer::ListWithFallback(std::stop_token stop) {
  auto error = ListAll(stop, version_);
  bool version_refused = error && (error->failure == ApiFailure::kGone ||
                                   error->failure == ApiFailure::kVersionTooLarge);
  if (version_refused && !version_.empty()) error = ListAll(stop, "");
  if (error) {
    if (error->failure != ApiFailure::kStopped) NoteFailure(error->Describe());
    return false;
  }
  fruitless_watches_ = 0;
  RemoveUnlisted();
  {
    std::lock_guard lock(mutex_);
    ++health_.lists;
    health_.synced = true;
    health_.last_error.clear();
  }
  sink_.Listed();
  return true;
}

std::optional<ApiError> Informer::ListAll(std::stop_token stop, const std::string& at_version) {
  ListOptions list;
  list.label_selector = options_.label_selector;
  list.field_selector = options_.field_selector;
  list.limit = options_.page_size;
  list.resource_version = at_version;
  list.resource_version_match = "NotOlderThan";
  ++list_number_;
  auto error = ListPages(stop, list);
  // The continue token may expire between pages: then everything in one answer, which cannot.
  if (error && error->failure == ApiFailure::kGone && !list.continue_token.empty()) {
    list.continue_token.clear();
    list.limit = 0;
    ++list_number_;
    error = ListPages(stop, list);
  }
  return error;
}

// Leaves in `list` the continue token that was asked for last.
std::optional<ApiError> Informer::ListPages(std::stop_token stop, ListOptions& list) {
  std::string version;
  for (;;) {
    auto page = client_.List(path_, list, CallOptions::Within(options_.call_timeout, stop));
    if (!page.ok()) return page.error();
    NoteContact();
    JsonParser parser;
    auto parsed = parser.Parse(*page);
    if (!parsed.ok() || !(*parsed)["metadata"]["resourceVersion"].is_string()) {
      ApiError error;
      error.failure = ApiFailure::kMalformed;
      error.message = parsed.ok() ? "the list has no resourceVersion" : parsed.error().message;
      error.request = "GET " + path_.Text();
      return error;
    }
    // Items are of the version of the first page.
    if (version.empty()) version = (*parsed)["metadata"]["resourceVersion"].Str();
    (*parsed)["items"].ForEachItem([this](const JsonView& object) { Apply(object); });
    list.continue_token = (*parsed)["metadata"]["continue"].Str();
    if (list.continue_token.empty()) break;
  }
  version_ = version;
  return std::nullopt;
}

void Informer::Apply(const JsonView& object) {
  JsonView meta = object["metadata"];
  ObjectRef ref{meta["namespace"].Str(), meta["name"].Str(), meta["uid"].Str()};
  std::string version = meta["resourceVersion"].Str();
  auto [it, added] = known_.try_emplace({ref.ns, ref.name});
  Known& known = it->second;
  known.seen_in_list = list_number_;
  if (!added && known.uid == ref.uid && known.version == version) return;
  // The same name with another UID: the old object is gone.
  if (!added && known.uid != ref.uid) sink_.Remove({ref.ns, ref.name, known.uid});
  known.uid = ref.uid;
  known.version = version;
  sink_.Upsert(ref, object);
}

void Informer::Forget(const JsonView& object) {
  JsonView meta = object["metadata"];
  auto found = known_.find({meta["namespace"].Str(), meta["name"].Str()});
  if (found == known_.end()) return;
  ObjectRef ref{found->first.first, found->first.second, found->second.uid};
  known_.erase(found);
  sink_.Remove(ref);
}

void Informer::RemoveUnlisted() {
  for (auto it = known_.begin(); it != known_.end();) {
    if (it->second.seen_in_list == list_number_) {
      ++it;
      continue;
    }
    ObjectRef ref{it->first.first, it->first.second, it->second.uid};
    it = known_.erase(it);
    sink_.Remove(ref);
  }
}

// ---- Watch

Informer::Next Informer::WatchOnce(std::stop_token stop) {
  WatchOptions watch;
  watch.label_selector = options_.label_selector;
  watch.field_selector = options_.field_selector;
  watch.resource_version = version_;
  watch.timeout_seconds = std::uniform_int_distribution<int>(options_.watch_seconds_min,
                                                             options_.watch_seconds_max)(random_);
  auto started = steady_clock::now();
  auto stream = client_.Watch(path_, watch, CallOptions::Within(options_.call_timeout, stop));
  if (!stream.ok()) return AfterOpenFailure(stream.error());
  {
    std::lock_guard lock(mutex_);
    ++health_.watches;
    health_.last_contact = started;
  }
  uint64_t events = 0;
  Next next = ReadFrames(stop, **stream, events);
  bool brief = steady_clock::now() - started < kShortWatch;
  if (events > 0 || !brief) fruitless_watches_ = 0;
  if (next == Next::kRelist || next == Next::kRelistAfterBackoff || !brief) return next;
  if (events > 0) return Next::kWatchAfterBackoff;
  if (++fruitless_watches_ < kFruitlessWatchesMax) return Next::kWatchAfterBackoff;
  NoteFailure("watches end at once and without an event: listing again");
  return Next::kRelistAfterBackoff;
}

Informer::Next Informer::AfterOpenFailure(const ApiError& error) {
  if (error.failure == ApiFailure::kStopped) return Next::kWatch;
  NoteFailure(error.Describe());
  switch (error.failure) {
    case ApiFailure::kGone:
    case ApiFailure::kVersionTooLarge:
      return Next::kRelist;
    case ApiFailure::kRefused:
    case ApiFailure::kThrottled:
    case ApiFailure::kTimeout:
    case ApiFailure::kUnauthenticated:
      // Nothing says that our version is too old: a list would only add to the load.
      return Next::kWatchAfterBackoff;
    default:
      return ++fruitless_watches_ < kFruitlessWatchesMax ? Next::kWatchAfterBackoff
                                                         : Next::kRelistAfterBackoff;
  }
}

Informer::Next Informer::ReadFrames(std::stop_token stop, ByteStream& stream, uint64_t& events) {
  FrameSplitter splitter;
  std::string bytes;
  for (bool end = false; !end;) {
    bytes.clear();
    if (auto error = stream.Read(CallOptions::Within(options_.stream_timeout, stop), bytes, end)) {
      if (error->failure != ApiFailure::kStopped) NoteFailure(error->Describe());
      return error->failure == ApiFailure::kTimeout ? Next::kWatch : Next::kWatchAfterBackoff;
    }
    NoteContact();
    splitter.Append(bytes);
    for (;;) {
      auto frame = splitter.Next();
      if (!frame.ok()) {
        NoteFailure(frame.error().message);
        return Next::kRelistAfterBackoff;
      }
      if (!frame->has_value()) break;
      if (auto next = HandleFrame(**frame, events)) return *next;
    }
  }
  return Next::kWatch;
}

// Nothing: go on reading.
std::optional<Informer::Next> Informer::HandleFrame(std::string_view frame, uint64_t& events) {
  auto parsed = parser_.Parse(frame);
  if (!parsed.ok()) {
    NoteFailure(parsed.error().message);
    return Next::kRelistAfterBackoff;
  }
  std::string_view type = (*parsed)["type"].Text();
  JsonView object = (*parsed)["object"];
  if (type == "ERROR") {
    ApiError error = ErrorFromStatusJson(object.Json());
    error.request = "WATCH " + path_.Text();
    NoteFailure(error.Describe());
    if (error.failure == ApiFailure::kGone) return Next::kRelist;
    if (error.failure == ApiFailure::kThrottled) return Next::kWatchAfterBackoff;
    return Next::kRelistAfterBackoff;
  }
  std::string version = object["metadata"]["resourceVersion"].Str();
  bool usable = object["kind"].Text() == options_.type.kind && !version.empty();
  bool changed = type == "ADDED" || type == "MODIFIED";
  if (!usable || (!changed && type != "DELETED" && type != "BOOKMARK")) {
    std::lock_guard lock(mutex_);
    ++health_.skipped_frames;
    return std::nullopt;
  }
  if (changed) Apply(object);
  if (type == "DELETED") Forget(object);
  version_ = version;
  ++events;
  std::lock_guard lock(mutex_);
  ++health_.events;
  return std::nullopt;
}

}  // namespace databuild::kube
