#include "tests/support/throwaway_postgres.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "bel/postgres_connection.h"

namespace databuild {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

Error Failed(const std::string& what) {
  return Error{Errc::kUnavailable, "throw-away Postgres: " + what};
}

// Debian keeps the server's programs out of PATH.
std::string ServerProgram(const std::string& name) {
  std::string best;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const std::string path = version.path() / "bin" / name;
    if (fs::exists(path) && path > best) best = path;
  }
  return best.empty() ? name : best;
}

// Runs `command` as user postgres if we are root. Output goes to `log`.
pid_t Spawn(const std::vector<std::string>& command, const std::string& log, const passwd* user) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  dup2(fd, 1);
  dup2(fd, 2);
  if (user != nullptr && (setgroups(1, &user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
                          setuid(user->pw_uid) != 0)) {
    _exit(126);
  }
  prctl(PR_SET_PDEATHSIG, SIGQUIT);  // an aborted test leaves no server behind
  execvp(arguments[0], arguments.data());
  _exit(127);
}

const passwd* ServerUser() { return getuid() == 0 ? getpwnam("postgres") : nullptr; }

std::string Tail(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() > 800 ? all.substr(all.size() - 800) : all;
}

bool IsReady(const std::string& folder) {
  std::ifstream file(folder + "/data/postmaster.pid");
  std::string line;
  for (int i = 0; i < 8 && std::getline(file, line); ++i) {
  }
  return line.starts_with("ready");
}

// A zombie is gone: it holds nothing any more.
bool Exists(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return false;
  const size_t state = line.rfind(')') + 2;
  return state < line.size() && line[state] != 'Z';
}

}  // namespace

Result<std::unique_ptr<ThrowawayPostgres>> ThrowawayPostgres::StartOn(int64_t disk_bytes) {
  std::unique_ptr<ThrowawayPostgres> server(new ThrowawayPostgres());
  char folder[] = "/tmp/databuild-pg-XXXXXX";
  if (mkdtemp(folder) == nullptr) return Failed("no temporary folder");
  server->folder_ = folder;
  if (disk_bytes > 0) {
    const std::string options = "size=" + std::to_string(disk_bytes);
    if (mount("tmpfs", folder, "tmpfs", 0, options.c_str()) != 0) {
      return Failed(std::string("no disk of its own: mount: ") + strerror(errno) + "; be root");
    }
    server->own_disk_ = true;
  }
  if (getuid() == 0) {
    const passwd* user = ServerUser();
    if (user == nullptr) return Failed("no user postgres; install the package postgresql");
    if (chown(folder, user->pw_uid, user->pw_gid) != 0) return Failed("chown failed");
  }
  RETURN_IF_ERROR(server->Initdb());
  RETURN_IF_ERROR(server->Launch());
  return server;
}

Status ThrowawayPostgres::Initdb() {
  const std::string log = folder_ + "/initdb.log";
  const pid_t child = Spawn({ServerProgram("initdb"), "-D", folder_ + "/data", "-U", "databuild",
                             "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
                            log, ServerUser());
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    return Failed("initdb failed: " + Tail(log));
  }
  return {};
}

Status ThrowawayPostgres::Launch() {
  const std::string log = folder_ + "/server.log";
  std::error_code ignored;
  fs::remove(folder_ + "/data/postmaster.pid", ignored);
  postmaster_ =
      Spawn({ServerProgram("postgres"), "-D", folder_ + "/data", "-k", folder_, "-c",
             "listen_addresses=", "-c", "shared_buffers=32MB", "-c", "max_connections=60", "-c",
             "log_min_messages=fatal", "-c", own_disk_ ? "max_wal_size=64MB" : "max_wal_size=1GB"},
            log, ServerUser());
  const auto deadline = steady_clock::now() + seconds(60);
  while (!IsReady(folder_)) {
    if (waitpid(postmaster_, nullptr, WNOHANG) != 0 || steady_clock::now() > deadline) {
      return Failed("the server did not start: " + Tail(log));
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  return {};
}

ThrowawayPostgres::~ThrowawayPostgres() {
  KillHard();
  std::error_code ignored;
  if (own_disk_) umount2(folder_.c_str(), MNT_DETACH);
  fs::remove_all(folder_, ignored);
  fs::remove_all(folder_ + "-saved", ignored);
}

std::string ThrowawayPostgres::Uri(const std::string& database) const {
  return "postgres://databuild@/" + database + "?host=" + folder_;
}

Result<std::string> ThrowawayPostgres::CreateDatabase(const std::string& name) {
  ASSIGN_OR_RETURN(const auto connection,
                   PostgresConnection::Open(Uri(), 10 * kSecond, 60 * kSecond));
  RETURN_IF_ERROR(connection->Run(("CREATE DATABASE " + name).c_str()));
  return Uri(name);
}

std::vector<pid_t> ThrowawayPostgres::Processes() const {
  std::vector<pid_t> pids;
  if (postmaster_ <= 0) return pids;
  const std::string pid = std::to_string(postmaster_);
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  for (pid_t child = 0; children >> child;) pids.push_back(child);
  pids.push_back(postmaster_);
  return pids;
}

void ThrowawayPostgres::KillHard() {
  if (postmaster_ <= 0) return;
  kill(postmaster_, SIGSTOP);  // starts no more children
  const std::vector<pid_t> pids = Processes();
  for (const pid_t pid : pids) kill(pid, SIGKILL);
  waitpid(postmaster_, nullptr, 0);
  const auto deadline = steady_clock::now() + seconds(20);
  for (const pid_t pid : pids) {
    while (pid != postmaster_ && Exists(pid) && steady_clock::now() < deadline) {
      waitpid(pid, nullptr, WNOHANG);  // ours to reap only where we are their reaper
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  postmaster_ = -1;
}

Status ThrowawayPostgres::Restart() { return Launch(); }

bool ThrowawayPostgres::running() const {
  return postmaster_ > 0 && waitpid(postmaster_, nullptr, WNOHANG) == 0;
}

bool ThrowawayPostgres::KillOneBackend(unsigned pick) {
  std::vector<pid_t> backends;
  for (const pid_t pid : Processes()) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
    std::string title;
    std::getline(file, title);
    if (title.starts_with("postgres: databuild ")) backends.push_back(pid);
  }
  return !backends.empty() && kill(backends[pick % backends.size()], SIGKILL) == 0;
}

Status ThrowawayPostgres::SaveFiles() {
  std::error_code failed;
  fs::remove_all(folder_ + "-saved", failed);
  fs::copy(folder_ + "/data", folder_ + "-saved", fs::copy_options::recursive, failed);
  if (failed) return Failed("copying its files: " + failed.message());
  return {};
}

Status ThrowawayPostgres::RestoreFiles() {
  std::error_code failed;
  // Files are written in place: owners and permissions stay those of the server.
  fs::remove_all(folder_ + "/data/pg_wal", failed);
  fs::copy(folder_ + "-saved", folder_ + "/data",
           fs::copy_options::recursive | fs::copy_options::overwrite_existing, failed);
  if (failed) return Failed("restoring its files: " + failed.message());
  if (const passwd* user = ServerUser(); user != nullptr) {
    for (const auto& file : fs::recursive_directory_iterator(folder_ + "/data")) {
      if (lchown(file.path().c_str(), user->pw_uid, user->pw_gid) != 0) {
        return Failed("chown of " + file.path().string());
      }
    }
  }
  return {};
}

void ThrowawayPostgres::Freeze() {
  for (const pid_t pid : Processes()) kill(pid, SIGSTOP);
}

void ThrowawayPostgres::Thaw() {
  for (const pid_t pid : Processes()) kill(pid, SIGCONT);
}

}  // namespace databuild
