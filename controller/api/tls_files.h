// The certificate and key of a server, read again when their files change. Private to the server.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "bel/base/result.h"
#include "controller/api/http_server.h"

namespace databuild {

// Thread-safe. Connections keep the context they began with.
class TlsFiles {
 public:
  // kInvalidArgument: a file that cannot be read, is no PEM, or a key that does not belong to the
  // certificate.
  static Result<std::shared_ptr<TlsFiles>> Load(const HttpServerOptions& options);

  // For a new connection. Looks at the files at most every options.tls_recheck; a change that
  // cannot be used is logged, and the certificate before stays.
  std::shared_ptr<boost::asio::ssl::context> Current();

 private:
  explicit TlsFiles(const HttpServerOptions& options);
  Result<std::shared_ptr<boost::asio::ssl::context>> Read() const;
  // Changes whenever one of the files does, symlinks followed.
  std::string Identity() const;

  const std::string cert_file_;
  const std::string key_file_;
  const std::chrono::milliseconds recheck_;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::string identity_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace databuild
