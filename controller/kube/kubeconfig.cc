// LoadKubeconfig: the part of credentials.h that reads YAML.
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "bel/base/crypto.h"
#include "controller/kube/credentials.h"

namespace databuild::kube {

namespace {

constexpr uintmax_t kFileBytesMax = 1024 * 1024;

struct Entry {
  std::string name;
  std::string file;  // where it was found: relative paths are relative to its folder
  YAML::Node body;
};

struct Merged {
  std::string files;
  std::string current_context;
  std::vector<Entry> clusters, contexts, users;
};

Error Bad(const std::string& file, const std::string& what) {
  return {Errc::kInvalidArgument, "kubeconfig " + file + ": " + what};
}

std::string Scalar(const YAML::Node& node, const char* key) {
  if (!node.IsMap()) return {};
  const YAML::Node value = node[key];
  return value && value.IsScalar() ? value.Scalar() : std::string();
}

Status AddSection(const YAML::Node& root, const std::string& file, const char* section,
                  std::vector<Entry>& out) {
  std::string key(section);
  const YAML::Node list = root[key + "s"];
  if (!list || list.IsNull()) return {};
  if (!list.IsSequence()) return Bad(file, key + "s must be a list");
  for (const YAML::Node& item : list) {
    std::string name = Scalar(item, "name");
    if (name.empty()) return Bad(file, "an entry of " + key + "s has no name");
    bool known = false;
    for (const Entry& entry : out) known = known || entry.name == name;
    if (!known) out.push_back({name, file, item[key]});
  }
  return {};
}

Status AddFile(const std::string& file, Merged& merged) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(file, code))
    return Error{Errc::kNotFound, "kubeconfig " + file + ": there is no such file"};
  if (std::filesystem::file_size(file, code) > kFileBytesMax)
    return Error{Errc::kTooLarge, "kubeconfig " + file + ": larger than 1 MiB"};
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream.good()) return Bad(file, "cannot be read: check its permissions");
  const YAML::Node root = YAML::Load(text.str());
  if (!root.IsMap()) return Bad(file, "is not a YAML mapping");
  if (merged.current_context.empty()) merged.current_context = Scalar(root, "current-context");
  RETURN_IF_ERROR(AddSection(root, file, "cluster", merged.clusters));
  RETURN_IF_ERROR(AddSection(root, file, "context", merged.contexts));
  return AddSection(root, file, "user", merged.users);
}

Result<Entry> Find(const std::vector<Entry>& entries, const std::string& section,
                   const std::string& name, const Merged& merged) {
  for (const Entry& entry : entries) {
    if (entry.name != name) continue;
    if (!entry.body || !entry.body.IsMap())
      return Bad(entry.file, section + " \"" + name + "\" is empty");
    return entry;
  }
  return Bad(merged.files, section + "s has no entry named \"" + name + "\"");
}

std::string Resolve(const Entry& entry, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::absolute(entry.file).parent_path() / path).lexically_normal().string();
}

Result<std::string> Base64(const Entry& entry, const char* key) {
  std::string text = Scalar(entry.body, key);
  std::erase_if(text, [](unsigned char c) { return std::isspace(c); });
  std::optional<std::string> out = FromBase64(text);
  if (!out) return Bad(entry.file, std::string(key) + " is not valid base64");
  return std::move(*out);
}

// KEY-data wins over the file in KEY.
Result<PemSource> Pem(const Entry& entry, const std::string& key) {
  PemSource source;
  ASSIGN_OR_RETURN(source.text, Base64(entry, (key + "-data").c_str()));
  source.file = Resolve(entry, Scalar(entry.body, key.c_str()));
  if (!source.present()) return source;
  if (auto text = source.Read(); !text.ok())
    return Bad(entry.file, key + ": " + text.error().message);
  return source;
}

Status UseCluster(const Entry& cluster, ClusterAccess& access) {
  access.server = Scalar(cluster.body, "server");
  while (access.server.ends_with("/")) access.server.pop_back();
  if (!access.server.starts_with("https://") && !access.server.starts_with("http://")) {
    return Bad(cluster.file, "cluster \"" + cluster.name +
                                 "\": server must be an http:// or https:// URL, not \"" +
                                 access.server + "\"");
  }
  if (!Scalar(cluster.body, "proxy-url").empty()) {
    return Error{Errc::kUnsupported, "kubeconfig " + cluster.file + ": cluster \"" + cluster.name +
                                         "\": proxy-url is not supported"};
  }
  access.tls_server_name = Scalar(cluster.body, "tls-server-name");
  access.insecure_skip_tls_verify = Scalar(cluster.body, "insecure-skip-tls-verify") == "true";
  ASSIGN_OR_RETURN(access.ca, Pem(cluster, "certificate-authority"));
  if (access.is_https() && !access.ca.present() && !access.insecure_skip_tls_verify) {
    return Bad(cluster.file, "cluster \"" + cluster.name +
                                 "\" has neither certificate-authority nor "
                                 "certificate-authority-data (system roots are not trusted)");
  }
  return {};
}

Status UseUser(const Entry& user, ClusterAccess& access) {
  for (const char* plugin : {"exec", "auth-provider"}) {
    if (!user.body[plugin]) continue;
    return Error{
        Errc::kUnsupported,
        "kubeconfig " + user.file + ": user \"" + user.name + "\": " + plugin +
            " plugins are not supported; use a token, a tokenFile or a client certificate"};
  }
  for (const char* key : {"username", "password", "as"}) {
    if (!user.body[key]) continue;
    return Error{Errc::kUnsupported, "kubeconfig " + user.file + ": user \"" + user.name +
                                         "\": " + key + " is not supported"};
  }
  access.token = Scalar(user.body, "token");
  access.token_file = Resolve(user, Scalar(user.body, "tokenFile"));
  ASSIGN_OR_RETURN(access.client_certificate, Pem(user, "client-certificate"));
  ASSIGN_OR_RETURN(access.client_key, Pem(user, "client-key"));
  if (access.client_certificate.present() != access.client_key.present()) {
    return Bad(user.file, "user \"" + user.name + "\" has " +
                              (access.client_key.present() ? "client-key" : "client-certificate") +
                              " without the other half");
  }
  return {};
}

Result<ClusterAccess> Load(const std::string& files, const std::string& context_name) {
  Merged merged;
  merged.files = files;
  std::istringstream list(files);
  for (std::string file; std::getline(list, file, ':');) {
    if (!file.empty()) RETURN_IF_ERROR(AddFile(file, merged));
  }
  std::string name = context_name.empty() ? merged.current_context : context_name;
  if (name.empty()) return Bad(files, "current-context is not set and no context was named");
  ASSIGN_OR_RETURN(Entry context, Find(merged.contexts, "context", name, merged));
  ASSIGN_OR_RETURN(Entry cluster,
                   Find(merged.clusters, "cluster", Scalar(context.body, "cluster"), merged));
  ClusterAccess access;
  access.origin = "kubeconfig " + files + ", context " + name;
  RETURN_IF_ERROR(UseCluster(cluster, access));
  if (std::string user = Scalar(context.body, "user"); !user.empty()) {
    ASSIGN_OR_RETURN(Entry entry, Find(merged.users, "user", user, merged));
    RETURN_IF_ERROR(UseUser(entry, access));
  }
  if (std::string ns = Scalar(context.body, "namespace"); !ns.empty())
    access.default_namespace = ns;
  return access;
}

}  // namespace

Result<ClusterAccess> LoadKubeconfig(const std::string& files, const std::string& context) {
  try {
    return Load(files, context);
  } catch (const YAML::Exception& error) {
    return Bad(files, std::string("is not valid YAML: ") + error.what());
  } catch (const std::exception& error) {
    return Bad(files, error.what());
  }
}

}  // namespace databuild::kube
