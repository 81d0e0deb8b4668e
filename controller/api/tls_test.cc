// TLS: what is served, what is refused, and certificates that change while the server runs.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>

#include "controller/api/http_server.h"
#include "controller/api/test_client.h"

namespace databuild {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Writes a new self-signed certificate and its key, over those that are there.
void WriteCertificate(const std::string& cert_file, const std::string& key_file,
                      const std::string& name) {
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), X509_free);
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3'600);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert.get(), subject);
  ASSERT_GT(X509_sign(cert.get(), key.get(), EVP_sha256()), 0);
  FILE* file = fopen(cert_file.c_str(), "w");
  PEM_write_X509(file, cert.get());
  fclose(file);
  file = fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  fclose(file);
}

// A client that takes any certificate and tells whose it was.
class TlsClient {
 public:
  TlsClient(uint16_t port, int max_version)
      : plain_(port), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), plain_.fd());
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  ~TlsClient() {
    if (connected_) SSL_shutdown(ssl_.get());
  }

  bool connected() const { return connected_; }
  std::string peer() const {
    const std::unique_ptr<X509, decltype(&X509_free)> cert(SSL_get1_peer_certificate(ssl_.get()),
                                                           X509_free);
    char name[256] = "";
    if (cert)
      X509_NAME_get_text_by_NID(X509_get_subject_name(cert.get()), NID_commonName, name,
                                sizeof(name));
    return name;
  }
  void Send(const std::string& bytes) {
    SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  // Everything until the server closes, or until `until` has come.
  std::string Read(const std::string& until) {
    std::string text;
    char chunk[4'096];
    while (text.find(until) == std::string::npos) {
      const int n = SSL_read(ssl_.get(), chunk, sizeof(chunk));
      if (n <= 0) break;
      text.append(chunk, static_cast<size_t>(n));
    }
    return text;
  }

 private:
  TestClient plain_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  bool connected_ = false;
};

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "databuild-tls-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    cert_ = folder_ + "/tls.crt";
    key_ = folder_ + "/tls.key";
    WriteCertificate(cert_, key_, "first");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  HttpServerOptions Options() {
    HttpServerOptions options;
    options.tls_cert_file = cert_;
    options.tls_key_file = key_;
    options.tls_recheck = std::chrono::milliseconds(0);
    options.first_byte_timeout = first_byte_timeout_;
    options.header_timeout = std::chrono::milliseconds(300);
    options.max_body_bytes = 1'000;
    return options;
  }
  std::unique_ptr<HttpServer> Serve() {
    auto server =
        HttpServer::Start(Options(), [](HttpRequest request, std::shared_ptr<HttpReply> reply) {
          reply->Send({200, "text/plain", request.path + ".", {}});
        });
    EXPECT_TRUE(server.ok());
    return std::move(server.value());
  }

  std::string folder_, cert_, key_;
  std::chrono::milliseconds first_byte_timeout_{300};
};

TEST_F(TlsTest, ServesSeveralRequestsOnOneConnection) {
  const auto server = Serve();
  TlsClient client(server->port(), TLS1_3_VERSION);
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.peer(), "first");
  for (int i = 0; i < 3; ++i) {
    client.Send(kGet);
    EXPECT_NE(client.Read("/hello.").find("200 OK"), std::string::npos);
  }
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_NE(client.Read("never").find("413"), std::string::npos);
}

TEST_F(TlsTest, RefusesOldVersionsPlainTextAndSilence) {
  const auto server = Serve();
  EXPECT_TRUE(TlsClient(server->port(), TLS1_2_VERSION).connected());
  EXPECT_FALSE(TlsClient(server->port(), TLS1_1_VERSION).connected());
  TestClient plain(server->port());
  plain.Send(kGet);
  EXPECT_TRUE(plain.ClosedByServer());
  TestClient silent(server->port());
  EXPECT_TRUE(silent.ClosedByServer());
  TestClient slow(server->port());
  slow.Send("\x16\x03\x01");
  EXPECT_TRUE(slow.ClosedByServer());
  TlsClient good(server->port(), TLS1_3_VERSION);
  good.Send(kGet);
  EXPECT_NE(good.Read("/hello.").find("200 OK"), std::string::npos);
}

TEST_F(TlsTest, TakesANewCertificateAndKeepsTheOldOneWhenItIsBroken) {
  first_byte_timeout_ = std::chrono::seconds(60);
  const auto server = Serve();
  TlsClient before(server->port(), TLS1_3_VERSION);
  const auto peer = [&] { return TlsClient(server->port(), TLS1_3_VERSION).peer(); };
  WriteCertificate(cert_ + ".new", key_ + ".new", "second");
  std::filesystem::rename(key_ + ".new", key_);
  std::filesystem::rename(cert_ + ".new", cert_);
  EXPECT_EQ(peer(), "second");
  std::ofstream(cert_) << "no certificate";
  EXPECT_EQ(peer(), "second");
  WriteCertificate(cert_, key_, "third");
  EXPECT_EQ(peer(), "third");
  before.Send(kGet);
  EXPECT_NE(before.Read("/hello.").find("200 OK"), std::string::npos) << "connections stay";
}

TEST_F(TlsTest, DoesNotStartWithFilesItCannotUse) {
  const auto fails = [this](const HttpServerOptions& options) {
    const auto server = HttpServer::Start(options, [](HttpRequest, std::shared_ptr<HttpReply>) {});
    return !server.ok() && server.error().code == Errc::kInvalidArgument;
  };
  HttpServerOptions options = Options();
  options.tls_key_file = folder_ + "/nothing";
  EXPECT_TRUE(fails(options));
  WriteCertificate(folder_ + "/other.crt", folder_ + "/other.key", "other");
  options.tls_key_file = folder_ + "/other.key";
  EXPECT_TRUE(fails(options)) << "a key of another certificate";
  options.tls_key_file = "";
  EXPECT_TRUE(fails(options));
}

}  // namespace
}  // namespace databuild
