#include "controller/kube/api_request.h"

#include <nlohmann/json.hpp>

namespace databuild::kube {

namespace {

bool IsUnreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

void AddSelectors(const std::string& label, const std::string& field, Query& query) {
  if (!label.empty()) query.emplace_back("labelSelector", label);
  if (!field.empty()) query.emplace_back("fieldSelector", field);
}

}  // namespace

std::string ApiVersion(const ResourceType& type) {
  std::string text(type.group);
  if (!text.empty()) text += "/";
  return text.append(type.version);
}

std::string EncodeUrl(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (IsUnreserved(c)) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

std::string EncodeQuery(const Query& query) {
  std::string out;
  for (const auto& [key, value] : query) {
    out += out.empty() ? '?' : '&';
    out += EncodeUrl(key) + "=" + EncodeUrl(value);
  }
  return out;
}

std::string ObjectPath::Text() const {
  std::string path = type.group.empty() ? "/api/" : "/apis/" + std::string(type.group) + "/";
  path.append(type.version);
  if (!ns.empty()) path += "/namespaces/" + EncodeUrl(ns);
  path.append("/").append(type.plural);
  if (!name.empty()) path += "/" + EncodeUrl(name);
  if (!subresource.empty()) path += "/" + subresource;
  return path;
}

Query ListQuery(const ListOptions& options) {
  Query query;
  AddSelectors(options.label_selector, options.field_selector, query);
  if (options.limit > 0) query.emplace_back("limit", std::to_string(options.limit));
  if (!options.continue_token.empty()) {
    query.emplace_back("continue", options.continue_token);
    return query;
  }
  if (!options.resource_version.empty()) {
    query.emplace_back("resourceVersion", options.resource_version);
    if (!options.resource_version_match.empty())
      query.emplace_back("resourceVersionMatch", options.resource_version_match);
  }
  return query;
}

Query WatchQuery(const WatchOptions& options) {
  Query query{{"watch", "1"}, {"allowWatchBookmarks", "true"}};
  AddSelectors(options.label_selector, options.field_selector, query);
  if (!options.resource_version.empty())
    query.emplace_back("resourceVersion", options.resource_version);
  if (options.timeout_seconds > 0)
    query.emplace_back("timeoutSeconds", std::to_string(options.timeout_seconds));
  return query;
}

Query LogQuery(const LogOptions& options) {
  Query query;
  if (!options.container.empty()) query.emplace_back("container", options.container);
  if (options.follow) query.emplace_back("follow", "true");
  if (options.timestamps) query.emplace_back("timestamps", "true");
  if (!options.since_time.empty()) query.emplace_back("sinceTime", options.since_time);
  if (options.limit_bytes > 0)
    query.emplace_back("limitBytes", std::to_string(options.limit_bytes));
  if (options.tail_lines > 0) query.emplace_back("tailLines", std::to_string(options.tail_lines));
  return query;
}

std::string DeleteBody(const DeleteOptions& options) {
  nlohmann::json body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
  body["propagationPolicy"] =
      options.propagation == Propagation::kForeground ? "Foreground" : "Background";
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty())
    body["preconditions"]["resourceVersion"] = options.resource_version;
  if (options.grace_seconds >= 0) body["gracePeriodSeconds"] = options.grace_seconds;
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace databuild::kube
