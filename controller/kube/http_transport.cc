#include "controller/kube/http_transport.h"

#include <cpprest/http_client.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>
#include <sys/socket.h>

#include <condition_variable>
#include <mutex>

namespace databuild::kube {

namespace http = web::http;
namespace streams = Concurrency::streams;

namespace {

constexpr int kKeepAliveIdleSeconds = 30;
constexpr int kKeepAliveProbes = 3;
constexpr int kTcpUserTimeoutMs = 30'000;

using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

BioPtr MemoryBio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
}

// Trusts exactly the certificates in `pem`.
bool UseRoots(SSL_CTX* context, const std::string& pem) {
  X509_STORE* store = X509_STORE_new();
  if (store == nullptr) return false;
  SSL_CTX_set_cert_store(context, store);  // takes ownership
  BioPtr bio = MemoryBio(pem);
  int count = 0;
  while (X509Ptr root{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free}) {
    if (X509_STORE_add_cert(store, root.get()) == 1) ++count;
  }
  ERR_clear_error();
  return count > 0;
}

bool UseClientCertificate(SSL_CTX* context, const std::string& chain, const std::string& key) {
  BioPtr bio = MemoryBio(chain);
  X509Ptr leaf{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free};
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) return false;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) X509_free(next);
  }
  ERR_clear_error();
  BioPtr key_bio = MemoryBio(key);
  KeyPtr parsed{PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
  return parsed && SSL_CTX_use_PrivateKey(context, parsed.get()) == 1;
}

// Runs for every new connection, so files that were replaced are used from then on. On failure the
// store stays empty and the handshake fails, which is the safe answer.
Status ConfigureTls(SSL_CTX* context, const ClusterAccess& access) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  if (!access.insecure_skip_tls_verify) {
    auto roots = access.ca.Read();
    if (!UseRoots(context, roots.ok() ? *roots : std::string())) {
      return Error{Errc::kInvalidArgument, access.origin +
                                               ": the cluster's CA holds no certificate" +
                                               (roots.ok() ? "" : ": " + roots.error().message)};
    }
  }
  if (!access.client_certificate.present()) return {};
  ASSIGN_OR_RETURN(std::string chain, access.client_certificate.Read());
  ASSIGN_OR_RETURN(std::string key, access.client_key.Read());
  if (!UseClientCertificate(context, chain, key)) {
    return Error{Errc::kInvalidArgument,
                 access.origin + ": client certificate or key cannot be used: is it PEM?"};
  }
  return {};
}

// The one address family of `host`, or AF_UNSPEC if it has several or cannot be resolved now.
int FamilyOf(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return AF_UNSPEC;
  int family = found->ai_family;
  for (addrinfo* it = found; it != nullptr; it = it->ai_next) {
    if (it->ai_family != family) family = AF_UNSPEC;
  }
  freeaddrinfo(found);
  return family;
}

// cpprestsdk calls this before a new socket is open; options need one that is.
void SetSocketOptions(boost::asio::ip::tcp::socket& socket, int family) {
  boost::system::error_code code;
  if (!socket.is_open()) {
    if (family == AF_INET) socket.open(boost::asio::ip::tcp::v4(), code);
    if (family == AF_INET6) socket.open(boost::asio::ip::tcp::v6(), code);
    if (code || !socket.is_open()) return;
  }
  int fd = socket.native_handle();
  auto set = [fd](int level, int option, int value) {
    setsockopt(fd, level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIdleSeconds / kKeepAliveProbes);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kTcpUserTimeoutMs);
}

HttpFault FaultFrom(std::exception_ptr failure) {
  HttpFault fault;
  try {
    std::rethrow_exception(failure);
  } catch (const http::http_exception& error) {
    fault.message = error.what();
    auto code = error.error_code();
    if (code == std::errc::timed_out) fault.failure = ApiFailure::kTimeout;
    if (code == std::errc::host_unreachable || code == std::errc::connection_refused ||
        fault.message.find("resolv") != std::string::npos ||
        fault.message.find("Failed to connect") != std::string::npos) {
      if (fault.failure != ApiFailure::kTimeout) fault.failure = ApiFailure::kRefused;
    }
    fault.stale_connection = fault.message.starts_with("Failed to write request") ||
                             fault.message.starts_with("Failed to read HTTP status line");
    if (fault.message.empty()) fault.message = code.message();
  } catch (const std::exception& error) {
    fault.message = error.what();
  } catch (...) {
    fault.message = "the connection failed";
  }
  return fault;
}

}  // namespace

// Shared between the caller and the pool; what is written by the pool is read under the mutex.
struct HttpExchange::State : std::enable_shared_from_this<State> {
  explicit State(size_t buffer_bytes) : limit(buffer_bytes) {}

  const size_t limit;
  pplx::cancellation_token_source cancel;
  std::mutex mutex;  // guards what follows
  std::condition_variable_any changed;
  std::optional<HttpHead> head;
  std::optional<HttpFault> fault;
  std::string bytes;
  bool finished = false;
  bool abandoned = false;  // the caller is gone: bytes are dropped
  std::optional<pplx::task_completion_event<size_t>>
      waiting;  // the pool's write that found it full
  size_t waiting_count = 0;

  void Fail(std::exception_ptr failure) {
    std::lock_guard lock(mutex);
    if (!fault && !finished) fault = FaultFrom(failure);
    changed.notify_all();
  }

  void Finish() {
    std::lock_guard lock(mutex);
    finished = true;
    changed.notify_all();
  }

  // On the pool. The task completes when there is room for more.
  pplx::task<size_t> Write(const uint8_t* data, size_t count) {
    std::lock_guard lock(mutex);
    if (abandoned) return pplx::task_from_result(count);
    bytes.append(reinterpret_cast<const char*>(data), count);
    changed.notify_all();
    if (bytes.size() <= limit) return pplx::task_from_result(count);
    waiting.emplace();
    waiting_count = count;
    return pplx::create_task(*waiting);
  }

  // Lets a blocked write of the pool go on; called without the lock.
  void Resume() {
    std::optional<pplx::task_completion_event<size_t>> resumed;
    {
      std::lock_guard lock(mutex);
      resumed.swap(waiting);
    }
    if (resumed) resumed->set(waiting_count);
  }

  std::optional<HttpFault> Wait(std::unique_lock<std::mutex>& lock, Deadline deadline,
                                std::stop_token stop, const std::function<bool()>& ready) {
    if (changed.wait_until(lock, stop, deadline, ready)) return std::nullopt;
    if (stop.stop_requested()) return HttpFault{ApiFailure::kStopped, "stopped", false};
    return HttpFault{ApiFailure::kTimeout, "no answer before the deadline", false};
  }
};

namespace {

// The write end cpprestsdk puts the body into. Only what an output stream needs is there.
class BodyBuffer final : public streams::details::streambuf_state_manager<uint8_t> {
 public:
  using Write = std::function<pplx::task<size_t>(const uint8_t*, size_t)>;
  explicit BodyBuffer(Write write)
      : streambuf_state_manager<uint8_t>(std::ios_base::out), write_(std::move(write)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(size_t, std::ios_base::openmode) override {}
  size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override { return traits::eof(); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return traits::eof(); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return traits::eof();
  }
  bool acquire(uint8_t*& ptr, size_t& count) override {
    ptr = nullptr;
    count = 0;
    return false;
  }
  void release(uint8_t*, size_t) override {}

 protected:
  pplx::task<int_type> _putc(uint8_t byte) override {
    return write_(&byte, 1).then([byte](size_t) { return static_cast<int_type>(byte); });
  }
  pplx::task<size_t> _putn(const uint8_t* data, size_t count) override {
    return write_(data, count);
  }
  pplx::task<int_type> _bumpc() override { return NoRead(); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return NoRead(); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return NoRead(); }
  pplx::task<int_type> _ungetc() override { return NoRead(); }
  pplx::task<size_t> _getn(uint8_t*, size_t) override { return pplx::task_from_result<size_t>(0); }
  size_t _scopy(uint8_t*, size_t) override { return 0; }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  uint8_t* _alloc(size_t) override { return nullptr; }
  void _commit(size_t) override {}

 private:
  static pplx::task<int_type> NoRead() { return pplx::task_from_result<int_type>(traits::eof()); }
  Write write_;
};

std::string HeaderOf(const http::http_response& response, const char* name) {
  auto found = response.headers().find(name);
  return found == response.headers().end() ? std::string() : found->second;
}

}  // namespace

HttpExchange::HttpExchange(std::shared_ptr<State> state) : state_(std::move(state)) {}

HttpExchange::~HttpExchange() {
  bool over;
  {
    std::lock_guard lock(state_->mutex);
    state_->abandoned = true;
    over = state_->finished || state_->fault.has_value();
    state_->bytes.clear();
  }
  if (!over) state_->cancel.cancel();
  state_->Resume();
}

std::optional<HttpFault> HttpExchange::ReadHead(Deadline deadline, std::stop_token stop,
                                                HttpHead& head) {
  std::unique_lock lock(state_->mutex);
  auto fault = state_->Wait(lock, deadline, stop, [this] {
    return state_->head.has_value() || state_->fault.has_value();
  });
  if (fault) return fault;
  if (!state_->head) return state_->fault;
  head = *state_->head;
  return std::nullopt;
}

std::optional<HttpFault> HttpExchange::Read(Deadline deadline, std::stop_token stop,
                                            std::string& out, bool& end) {
  {
    std::unique_lock lock(state_->mutex);
    auto fault = state_->Wait(lock, deadline, stop, [this] {
      return !state_->bytes.empty() || state_->finished || state_->fault.has_value();
    });
    if (fault) return fault;
    // Bytes that came before a fault are handed out before it.
    if (state_->bytes.empty() && state_->fault) return state_->fault;
    end = state_->bytes.empty() && state_->finished;
    if (out.empty()) {
      out.swap(state_->bytes);
    } else {
      out += state_->bytes;
    }
    state_->bytes.clear();
  }
  state_->Resume();
  return std::nullopt;
}

struct HttpTransport::Connection {
  ClusterAccess access;
  TransportOptions options;
  std::string host_header;
  std::unique_ptr<http::client::http_client> client;
};

HttpTransport::HttpTransport(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
HttpTransport::~HttpTransport() = default;

Result<std::unique_ptr<HttpTransport>> HttpTransport::Open(const ClusterAccess& access,
                                                           const TransportOptions& options) {
  static std::once_flag pool_once;
  std::call_once(pool_once, [&] {
    try {
      crossplat::threadpool::initialize_with_threads(options.pool_threads);
    } catch (const std::exception&) {
      // Somebody used the pool before us; its size stays what it is.
    }
  });
  if (access.is_https()) {
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> trial(SSL_CTX_new(TLS_client_method()),
                                                            &SSL_CTX_free);
    RETURN_IF_ERROR(ConfigureTls(trial.get(), access));
  }
  auto connection = std::make_unique<Connection>();
  connection->access = access;
  connection->options = options;
  connection->host_header = access.tls_server_name;
  try {
    web::uri base(access.server);
    if (base.host().empty() || base.host().find('[') != std::string::npos) {
      return Error{Errc::kInvalidArgument, access.origin + ": server " + access.server +
                                               " needs a host name or an IPv4 address"};
    }
    http::client::http_client_config config;
    config.set_timeout(options.inactivity);
    config.set_max_redirects(0);
    config.set_validate_certificates(!access.insecure_skip_tls_verify);
    config.set_ssl_context_callback([access](boost::asio::ssl::context& context) {
      (void)ConfigureTls(context.native_handle(), access).ok();
    });
    config.set_nativehandle_options([family = FamilyOf(base.host())](void* handle) {
      SetSocketOptions(*static_cast<boost::asio::ip::tcp::socket*>(handle), family);
    });
    connection->client = std::make_unique<http::client::http_client>(base, config);
  } catch (const std::exception& error) {
    return Error{Errc::kInvalidArgument,
                 access.origin + ": cannot use server " + access.server + ": " + error.what()};
  }
  return std::unique_ptr<HttpTransport>(new HttpTransport(std::move(connection)));
}

std::unique_ptr<HttpExchange> HttpTransport::Start(const HttpRequest& request) {
  auto state = std::make_shared<HttpExchange::State>(connection_->options.buffer_bytes);
  std::unique_ptr<HttpExchange> exchange(new HttpExchange(state));
  try {
    http::http_request out(request.method);
    out.set_request_uri(request.target);
    for (const auto& [name, value] : request.headers) out.headers().add(name, value);
    if (!connection_->host_header.empty()) out.headers().add("Host", connection_->host_header);
    if (!request.body.empty()) out.set_body(request.body, request.content_type);
    auto buffer = std::make_shared<BodyBuffer>(
        [state](const uint8_t* data, size_t count) { return state->Write(data, count); });
    out.set_response_stream(streams::ostream(streams::streambuf<uint8_t>(buffer)));
    connection_->client->request(out, state->cancel.get_token())
        .then([state](pplx::task<http::http_response> answered) {
          try {
            http::http_response response = answered.get();
            {
              std::lock_guard lock(state->mutex);
              state->head =
                  HttpHead{response.status_code(), HeaderOf(response, "Retry-After"),
                           HeaderOf(response, "Content-Type"), HeaderOf(response, "Warning")};
              state->changed.notify_all();
            }
            response.content_ready().then([state](pplx::task<http::http_response> done) {
              try {
                done.get();
                state->Finish();
              } catch (...) {
                state->Fail(std::current_exception());
              }
            });
          } catch (...) {
            state->Fail(std::current_exception());
          }
        });
  } catch (...) {
    state->Fail(std::current_exception());
  }
  return exchange;
}

}  // namespace databuild::kube
