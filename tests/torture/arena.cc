#include "tests/torture/arena.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace databuild::torture {

using std::chrono::steady_clock;

bool AwaitThat(const std::function<bool()>& condition, std::chrono::seconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (!condition()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

void SharedHistory::Add(const std::string& line) {
  std::lock_guard lock(mutex_);
  if (!history_.Add(line)) return;
  // "A tag events invoked acknowledged ...": a 0 says that there was no answer yet.
  if (line.starts_with("A ") && line.find(" 0 .") == std::string::npos) ++acknowledged_;
}

std::vector<AppendSeen> SharedHistory::Unresolved() {
  std::lock_guard lock(mutex_);
  return history_.Unresolved();
}

WriterProcess::WriterProcess(const Start& start, SharedHistory* history) : history_(history) {
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  const std::string number = std::to_string(start.number);
  pid_ = fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) {
    dup2(ends[1], 1);
    const int errors = open(start.error_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(errors, 2);
    execl(TORTURE_WRITER_PATH, TORTURE_WRITER_PATH, start.uri.c_str(), number.c_str(),
          start.resubmit_file.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  reader_ = std::jthread([this, fd = ends[0]] { ReadLines(fd); });
}

WriterProcess::~WriterProcess() {
  Signal(SIGKILL);
  Wait(std::chrono::seconds(10));
}

void WriterProcess::ReadLines(int fd) {
  std::string pending;
  std::string buffer(64 << 10, '\0');
  for (ssize_t got = 0; (got = read(fd, buffer.data(), buffer.size())) > 0;) {
    pending.append(buffer.data(), static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end = 0; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      history_->Add(pending.substr(begin, end - begin));
    }
    pending.erase(0, begin);
  }
  close(fd);
}

void WriterProcess::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

int WriterProcess::Wait(std::chrono::seconds timeout) {
  if (pid_ <= 0) return -1;
  int status = 0;
  if (!AwaitThat([&] { return waitpid(pid_, &status, WNOHANG) != 0; }, timeout)) return -1;
  pid_ = -1;
  reader_.join();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1'000 + WTERMSIG(status);
}

std::unique_ptr<WriterProcess> Writers::Start() {
  ++started_;
  const std::string file = folder_.File("resubmit-" + std::to_string(started_));
  std::ofstream tags(file);
  for (const AppendSeen& open : history_.Unresolved()) tags << open.tag << "\n";
  tags.close();
  return std::make_unique<WriterProcess>(
      WriterProcess::Start{uri_, started_, file, folder_.File("errors")}, &history_);
}

bool Writers::AwaitAcknowledged(int64_t more) {
  const int64_t goal = history_.acknowledged() + more;
  return AwaitThat([&] { return history_.acknowledged() >= goal; }, std::chrono::seconds(60));
}

std::string Writers::Complaints() const {
  std::ifstream file(folder_.File("errors"));
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() > 3'000 ? all.substr(all.size() - 3'000) : all;
}

}  // namespace databuild::torture
