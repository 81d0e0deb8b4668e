#include "controller/api/tls_files.h"

#include <sys/stat.h>

#include "bel/base/log.h"

namespace databuild {

namespace ssl = boost::asio::ssl;

TlsFiles::TlsFiles(const HttpServerOptions& options)
    : cert_file_(options.tls_cert_file),
      key_file_(options.tls_key_file),
      recheck_(options.tls_recheck) {}

Result<std::shared_ptr<TlsFiles>> TlsFiles::Load(const HttpServerOptions& options) {
  std::shared_ptr<TlsFiles> files(new TlsFiles(options));
  files->identity_ = files->Identity();
  ASSIGN_OR_RETURN(files->context_, files->Read());
  files->looked_ = std::chrono::steady_clock::now();
  return files;
}

std::shared_ptr<ssl::context> TlsFiles::Current() {
  std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < recheck_) return context_;
  looked_ = now;
  const std::string identity = Identity();
  if (identity == identity_) return context_;
  identity_ = identity;
  auto fresh = Read();
  if (fresh.ok()) {
    context_ = std::move(*fresh);
    LogInfo("certificate read again", {{"file", cert_file_}});
  } else {
    LogError("certificate cannot be used, the one before stays",
             {{"error", fresh.error().message}});
  }
  return context_;
}

Result<std::shared_ptr<ssl::context>> TlsFiles::Read() const {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  boost::system::error_code error;
  context->use_certificate_chain_file(cert_file_, error);
  if (error)
    return Error{Errc::kInvalidArgument, "read certificate " + cert_file_ + ": " + error.message()};
  // Also fails when the key belongs to another certificate.
  context->use_private_key_file(key_file_, ssl::context::pem, error);
  if (error) return Error{Errc::kInvalidArgument, "read key " + key_file_ + ": " + error.message()};
  return context;
}

std::string TlsFiles::Identity() const {
  std::string identity;
  for (const std::string& file : {cert_file_, key_file_}) {
    struct stat info {};
    if (stat(file.c_str(), &info) != 0) continue;
    for (const auto part :
         {static_cast<int64_t>(info.st_ino), static_cast<int64_t>(info.st_size),
          static_cast<int64_t>(info.st_mtim.tv_sec), static_cast<int64_t>(info.st_mtim.tv_nsec)}) {
      identity += std::to_string(part) + "/";
    }
  }
  return identity;
}

}  // namespace databuild
