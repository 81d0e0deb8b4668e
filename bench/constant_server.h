// The least that a server of Boost.Beast does: it reads a request and answers the same bytes. The
// limit that the service API is measured by.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>  // Asio 1.74 needs it and does not say so

namespace databuild {

// On loopback, with as many threads as the operator's server has. Serves until it is destroyed.
class ConstantServer {
 public:
  explicit ConstantServer(std::string body);
  ~ConstantServer();
  ConstantServer(const ConstantServer&) = delete;
  ConstantServer& operator=(const ConstantServer&) = delete;
  uint16_t port() const;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace databuild
