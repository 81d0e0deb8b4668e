#include "controller/kube/credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace databuild::kube {
namespace {

class Credentials : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "databuild-credentials-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::string folder_;
};

const char kGood[] = R"(apiVersion: v1
kind: Config
current-context: main
contexts:
- name: main
  context: {cluster: c, user: u, namespace: sales}
- name: other
  context: {cluster: c, user: token-user}
clusters:
- name: c
  cluster:
    server: https://10.1.2.3:6443/
    certificate-authority-data: Q0EgUEVN
    tls-server-name: api.internal
users:
- name: u
  user:
    client-certificate: client.crt
    client-key-data: S0VZ
- name: token-user
  user: {token: abc}
)";

TEST_F(Credentials, CurrentContextIsRead) {
  Write("client.crt", "CERT");
  auto access = LoadKubeconfig(Write("config", kGood), "");
  ASSERT_TRUE(access.ok()) << access.error().message;
  EXPECT_EQ(access->server, "https://10.1.2.3:6443");
  EXPECT_EQ(access->tls_server_name, "api.internal");
  EXPECT_EQ(access->ca.text, "CA PEM");
  EXPECT_EQ(access->client_certificate.file, folder_ + "/client.crt");
  EXPECT_EQ(access->client_key.text, "KEY");
  EXPECT_EQ(access->default_namespace, "sales");
  EXPECT_FALSE(access->insecure_skip_tls_verify);
}

TEST_F(Credentials, ANamedContextIsRead) {
  auto access = LoadKubeconfig(Write("config", kGood), "other");
  ASSERT_TRUE(access.ok()) << access.error().message;
  EXPECT_EQ(access->token, "abc");
  EXPECT_EQ(access->default_namespace, "default");
  EXPECT_FALSE(access->client_certificate.present());
}

TEST_F(Credentials, OfSeveralFilesTheFirstThatHasANameWins) {
  std::string first = Write("first", R"(
current-context: main
contexts: [{name: main, context: {cluster: c, user: token-user}}]
clusters: [{name: c, cluster: {server: "https://first:1", certificate-authority-data: QQ==}}]
)");
  auto access = LoadKubeconfig(first + ":" + Write("second", kGood), "");
  ASSERT_TRUE(access.ok()) << access.error().message;
  EXPECT_EQ(access->server, "https://first:1");
  EXPECT_EQ(access->token, "abc");
}

struct BadCase {
  const char* name;
  const char* from;  // replaced in kGood
  const char* to;
  Errc code;
  const char* says;
};

TEST_F(Credentials, EveryMistakeNamesFileAndKey) {
  const BadCase cases[] = {
      {"no context", "current-context: main", "", Errc::kInvalidArgument, "current-context"},
      {"unknown context", "current-context: main", "current-context: prod", Errc::kInvalidArgument,
       "no entry named \"prod\""},
      {"unknown cluster", "{cluster: c, user: u,", "{cluster: x, user: u,", Errc::kInvalidArgument,
       "clusters has no entry named \"x\""},
      {"unknown user", "{cluster: c, user: u,", "{cluster: c, user: y,", Errc::kInvalidArgument,
       "users has no entry named \"y\""},
      {"no CA", "certificate-authority-data: Q0EgUEVN", "", Errc::kInvalidArgument,
       "certificate-authority"},
      {"bad base64", "Q0EgUEVN", "Q0Eg!EVN", Errc::kInvalidArgument, "certificate-authority-data"},
      {"CA file missing", "certificate-authority-data: Q0EgUEVN",
       "certificate-authority: nowhere.crt", Errc::kInvalidArgument, "nowhere.crt"},
      {"server without scheme", "https://10.1.2.3:6443/", "10.1.2.3:6443", Errc::kInvalidArgument,
       "server"},
      {"proxy", "tls-server-name: api.internal", "proxy-url: http://p:1", Errc::kUnsupported,
       "proxy-url"},
      {"exec plugin", "client-certificate: client.crt", "exec: {command: get-token}",
       Errc::kUnsupported, "exec plugins are not supported"},
      {"auth provider", "client-certificate: client.crt", "auth-provider: {name: gcp}",
       Errc::kUnsupported, "auth-provider"},
      {"password", "client-certificate: client.crt", "password: x", Errc::kUnsupported, "password"},
      {"half a pair", "client-key-data: S0VZ", "", Errc::kInvalidArgument,
       "client-certificate without the other half"},
      {"not yaml", "apiVersion: v1", "a: [", Errc::kInvalidArgument, "is not valid YAML"},
      {"not a map", kGood, "- 1", Errc::kInvalidArgument, "is not a YAML mapping"},
      {"users no list", "users:\n", "users: 5\nunused:\n", Errc::kInvalidArgument, "users must be"},
  };
  Write("client.crt", "CERT");
  for (const BadCase& bad : cases) {
    std::string text = kGood;
    size_t at = text.find(bad.from);
    ASSERT_NE(at, std::string::npos) << bad.name;
    text.replace(at, std::string(bad.from).size(), bad.to);
    std::string path = Write("config", text);
    auto access = LoadKubeconfig(path, "");
    ASSERT_FALSE(access.ok()) << bad.name;
    EXPECT_EQ(access.error().code, bad.code) << bad.name << ": " << access.error().message;
    EXPECT_NE(access.error().message.find(bad.says), std::string::npos)
        << bad.name << ": " << access.error().message;
    EXPECT_NE(access.error().message.find(path), std::string::npos) << access.error().message;
  }
}

TEST_F(Credentials, AMissingKubeconfigIsNamed) {
  auto access = LoadKubeconfig(folder_ + "/none", "");
  ASSERT_FALSE(access.ok());
  EXPECT_EQ(access.error().code, Errc::kNotFound);
  EXPECT_NE(access.error().message.find(folder_ + "/none"), std::string::npos);
}

TEST_F(Credentials, InsecureIsTakenOnlyWhenItIsWritten) {
  std::string text = kGood;
  text.replace(text.find("certificate-authority-data: Q0EgUEVN"), 36,
               "insecure-skip-tls-verify: true");
  Write("client.crt", "CERT");
  auto access = LoadKubeconfig(Write("config", text), "");
  ASSERT_TRUE(access.ok()) << access.error().message;
  EXPECT_TRUE(access->insecure_skip_tls_verify);
}

TEST_F(Credentials, InClusterReadsTheServiceAccount) {
  Write("ca.crt", "CA");
  Write("token", "tok\n");
  Write("namespace", "databuild\n");
  auto access = LoadInCluster({folder_, "10.96.0.1", "443"});
  ASSERT_TRUE(access.ok()) << access.error().message;
  EXPECT_EQ(access->server, "https://10.96.0.1:443");
  EXPECT_EQ(access->default_namespace, "databuild");
  TokenSource tokens(*access);
  EXPECT_EQ(tokens.Token(), "tok");
}

TEST_F(Credentials, AnIpv6ServiceHostIsReachedByName) {
  Write("ca.crt", "CA");
  Write("token", "tok");
  auto access = LoadInCluster({folder_, "fd00::1", "443"});
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->server, "https://kubernetes.default.svc:443");
}

TEST_F(Credentials, InClusterWithoutAServiceAccountSaysWhatIsMissing) {
  auto outside = LoadInCluster({folder_, "", ""});
  ASSERT_FALSE(outside.ok());
  EXPECT_NE(outside.error().message.find("KUBERNETES_SERVICE_HOST"), std::string::npos);
  Write("ca.crt", "CA");
  auto no_token = LoadInCluster({folder_, "10.96.0.1", "443"});
  ASSERT_FALSE(no_token.ok());
  EXPECT_NE(no_token.error().message.find(folder_ + "/token"), std::string::npos);
}

TEST_F(Credentials, ARotatedTokenIsReadAfterA401AndAMissingFileKeepsTheOldOne) {
  ClusterAccess access;
  access.token_file = Write("token", "one");
  TokenSource tokens(access);
  EXPECT_EQ(tokens.Token(), "one");
  Write("token", "two");
  EXPECT_EQ(tokens.Token(), "one");
  tokens.Invalidate();
  EXPECT_EQ(tokens.Token(), "two");
  std::filesystem::remove(access.token_file);
  tokens.Invalidate();
  EXPECT_EQ(tokens.Token(), "two");
}

}  // namespace
}  // namespace databuild::kube
