#include "tests/support/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bel/base/check.h"

namespace databuild::testing {

namespace {

// Passes on the first `limit` bytes, then does what the fault says.
class Faulty final : public LoopbackConnection {
 public:
  Faulty(LoopbackConnection& inner, const Fault& fault) : inner_(inner), fault_(fault) {}

  bool Send(std::string_view bytes) override {
    if (done_ || sent_ + bytes.size() <= fault_.bytes) {
      sent_ += bytes.size();
      return !ended_ && inner_.Send(bytes);
    }
    std::string_view head = bytes.substr(0, fault_.bytes - sent_);
    std::string_view tail = bytes.substr(head.size());
    sent_ += bytes.size();
    done_ = true;
    if (!inner_.Send(head)) return false;
    if (fault_.kind == Fault::Kind::kStall) return inner_.Sleep(fault_.time) && inner_.Send(tail);
    if (fault_.kind == Fault::Kind::kCut) inner_.Abort();
    ended_ = true;
    return false;
  }
  void Abort() override { inner_.Abort(); }
  bool Sleep(std::chrono::milliseconds time) override { return !ended_ && inner_.Sleep(time); }
  bool ended() const { return ended_; }

 private:
  LoopbackConnection& inner_;
  const Fault fault_;
  size_t sent_ = 0;
  bool done_ = false;
  bool ended_ = false;
};

const char* ReasonOf(int status) {
  switch (status) {
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 429:
      return "TooManyRequests";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "Timeout";
    default:
      return "InternalError";
  }
}

// One TLS connection to the API server with the admin's certificate.
class Upstream {
 public:
  explicit Upstream(const kube::ClusterAccess& access)
      : context_(SSL_CTX_new(TLS_client_method())) {
    CHECK(context_ != nullptr);
    auto certificate = access.client_certificate.Read();
    auto key = access.client_key.Read();
    auto roots = access.ca.Read();
    CHECK(certificate.ok() && key.ok() && roots.ok());
    Use(*certificate, *key, *roots);
    std::string host = access.server.substr(access.server.find("://") + 3);
    size_t colon = host.rfind(':');
    address_.sin_family = AF_INET;
    address_.sin_port = htons(static_cast<uint16_t>(std::stoi(host.substr(colon + 1))));
    CHECK(inet_pton(AF_INET, host.substr(0, colon).c_str(), &address_.sin_addr) == 1);
  }
  ~Upstream() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    SSL_CTX_free(context_);
    if (fd_ >= 0) close(fd_);
  }

  bool Connect() {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr*>(&address_), sizeof(address_)) != 0)
      return false;
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    return SSL_connect(ssl_) == 1;
  }

  bool Send(const std::string& bytes) {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
  }

  // Empty at the end; waits in short steps so that `alive` can end it.
  std::string Read(const std::function<bool()>& alive) {
    while (SSL_pending(ssl_) == 0) {
      pollfd poll_fd{fd_, POLLIN, 0};
      if (poll(&poll_fd, 1, 20) > 0) break;
      if (!alive()) return {};
    }
    std::string bytes(16384, '\0');
    int got = SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()));
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }

 private:
  void Use(const std::string& certificate, const std::string& key, const std::string& roots) {
    auto bio = [](const std::string& text) {
      return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    };
    BIO* bios[] = {bio(certificate), bio(key), bio(roots)};
    X509* leaf = PEM_read_bio_X509(bios[0], nullptr, nullptr, nullptr);
    EVP_PKEY* private_key = PEM_read_bio_PrivateKey(bios[1], nullptr, nullptr, nullptr);
    X509* root = PEM_read_bio_X509(bios[2], nullptr, nullptr, nullptr);
    CHECK(SSL_CTX_use_certificate(context_, leaf) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context_, private_key) == 1);
    CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), root) == 1);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    X509_free(leaf);
    X509_free(root);
    EVP_PKEY_free(private_key);
    for (BIO* each : bios) BIO_free(each);
  }

  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  sockaddr_in address_{};
  int fd_ = -1;
};

}  // namespace

std::string StatusJson(int code, const std::string& reason, const std::string& message) {
  return R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" +
         message + R"(","reason":")" + reason + R"(","code":)" + std::to_string(code) + "}";
}

FaultPlan RandomFaults(uint64_t seed, double rate) {
  struct Random {
    std::mutex mutex;
    std::mt19937_64 engine;
  };
  auto random = std::make_shared<Random>();
  random->engine.seed(seed);
  return [random, rate](const LoopbackRequest&) {
    std::lock_guard lock(random->mutex);
    auto draw = [&](size_t below) {
      return std::uniform_int_distribution<size_t>(0, below - 1)(random->engine);
    };
    Fault fault;
    if (std::uniform_real_distribution<double>(0, 1)(random->engine) >= rate) return fault;
    static constexpr int kStatuses[] = {410, 429, 500, 504};
    switch (draw(5)) {
      case 0:
        fault.kind = Fault::Kind::kStatus;
        fault.status = kStatuses[draw(4)];
        break;
      case 1:
        fault.kind = Fault::Kind::kCut;
        fault.bytes = draw(3000);
        break;
      case 2:
        fault.kind = Fault::Kind::kTruncate;
        fault.bytes = draw(3000);
        break;
      case 3:
        fault.kind = Fault::Kind::kDelay;
        fault.time = std::chrono::milliseconds(draw(50));
        break;
      default:
        fault.kind = Fault::Kind::kStall;
        fault.bytes = draw(3000);
        fault.time = std::chrono::milliseconds(draw(100));
    }
    return fault;
  };
}

LoopbackHandler WithFaults(LoopbackHandler upstream, FaultPlan plan) {
  return [upstream = std::move(upstream), plan = std::move(plan)](const LoopbackRequest& request,
                                                                  LoopbackConnection& connection) {
    Fault fault = plan(request);
    if (fault.kind == Fault::Kind::kNone) return upstream(request, connection);
    if (fault.kind == Fault::Kind::kStatus) {
      std::string retry =
          fault.retry_after > 0 ? "Retry-After: " + std::to_string(fault.retry_after) + "\r\n" : "";
      return SendAnswer(connection, fault.status,
                        StatusJson(fault.status, ReasonOf(fault.status), "injected"), retry);
    }
    if (fault.kind == Fault::Kind::kDelay)
      return connection.Sleep(fault.time) && upstream(request, connection);
    Faulty faulty(connection, fault);
    return upstream(request, faulty) && !faulty.ended();
  };
}

LoopbackHandler ForwardTo(const kube::ClusterAccess& access) {
  return [access](const LoopbackRequest& request, LoopbackConnection& connection) {
    Upstream upstream(access);
    if (!upstream.Connect()) {
      connection.Abort();
      return false;
    }
    std::string head = request.method + " " + request.raw_target + " HTTP/1.1\r\n";
    for (const auto& [name, value] : request.headers) {
      if (name != "connection" && name != "host") head += name + ": " + value + "\r\n";
    }
    head += "host: kubernetes\r\nconnection: close\r\n\r\n";
    if (!upstream.Send(head + request.body)) return false;
    for (;;) {
      std::string bytes =
          upstream.Read([&] { return connection.Sleep(std::chrono::milliseconds(0)); });
      if (bytes.empty() || !connection.Send(bytes)) return false;
    }
  };
}

}  // namespace databuild::testing
