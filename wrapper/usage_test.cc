#include "wrapper/usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace databuild::exec {
namespace {

// A directory laid out as a kernel would show it.
class Root {
 public:
  Root() {
    std::string path = (std::filesystem::temp_directory_path() / "usage-XXXXXX").string();
    path_ = mkdtemp(path.data());
  }
  ~Root() { std::filesystem::remove_all(path_); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  void File(const std::string& name, const std::string& content) const {
    const std::filesystem::path file = path_ + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void V2Files(const Root& root, const std::string& group) {
  root.File("/sys/fs/cgroup" + group + "/memory.current", "4096\n");
  root.File("/sys/fs/cgroup" + group + "/memory.peak", "8192\n");
  root.File("/sys/fs/cgroup" + group + "/memory.max", "16384\n");
  root.File("/sys/fs/cgroup" + group + "/memory.events",
            "low 0\nhigh 1\nmax 9\noom 3\noom_kill 2\n");
  root.File("/sys/fs/cgroup" + group + "/cpu.stat", "usage_usec 1500000\nuser_usec 1\n");
  root.File("/sys/fs/cgroup" + group + "/pids.current", "7\n");
}

void ExpectV2(const Usage& usage) {
  EXPECT_EQ(usage.source, "cgroup2");
  EXPECT_EQ(usage.memory_bytes, 4096u);
  EXPECT_EQ(usage.memory_peak_bytes, 8192u);
  EXPECT_EQ(usage.memory_limit_bytes, 16384u);
  EXPECT_EQ(usage.oom_kills, 2u);
  EXPECT_EQ(usage.processes, 7u);
  EXPECT_DOUBLE_EQ(usage.cpu_seconds.value_or(0), 1.5);
}

TEST(Usage, CgroupV2InsideAContainer) {
  Root root;
  root.File("/proc/self/cgroup", "0::/\n");
  V2Files(root, "");
  ExpectV2(ReadUsage(root.path(), 1));
}

TEST(Usage, CgroupV2WhereTheGroupsPathIsVisible) {
  Root root;
  root.File("/proc/self/cgroup", "0::/kubepods/pod1/c1\n");
  V2Files(root, "/kubepods/pod1/c1");
  ExpectV2(ReadUsage(root.path(), 1));
}

TEST(Usage, CgroupV2PathOfTheHostSeenThroughAMountOfTheGroup) {
  Root root;
  root.File("/proc/self/cgroup", "0::/kubepods/pod1/c1\n");
  V2Files(root, "");
  ExpectV2(ReadUsage(root.path(), 1));
}

TEST(Usage, NoLimitIsNoNumber) {
  Root root;
  root.File("/proc/self/cgroup", "0::/\n");
  V2Files(root, "");
  root.File("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(ReadUsage(root.path(), 1).memory_limit_bytes, std::nullopt);
}

TEST(Usage, CgroupV1OnAHybridHost) {
  Root root;
  root.File("/proc/self/cgroup",
            "12:pids:/p\n5:cpu,cpuacct:/c\n4:memory:/m/x\n1:name=systemd:/s\n0::/s\n");
  root.File("/sys/fs/cgroup/memory/m/x/memory.usage_in_bytes", "100\n");
  root.File("/sys/fs/cgroup/memory/m/x/memory.max_usage_in_bytes", "200\n");
  root.File("/sys/fs/cgroup/memory/m/x/memory.limit_in_bytes", "9223372036854771712\n");
  root.File("/sys/fs/cgroup/memory/m/x/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
  root.File("/sys/fs/cgroup/cpu,cpuacct/c/cpuacct.usage", "2500000000\n");
  root.File("/sys/fs/cgroup/pids/p/pids.current", "3\n");
  const Usage usage = ReadUsage(root.path(), 1);
  EXPECT_EQ(usage.source, "cgroup1");
  EXPECT_EQ(usage.memory_bytes, 100u);
  EXPECT_EQ(usage.memory_peak_bytes, 200u);
  EXPECT_EQ(usage.memory_limit_bytes, std::nullopt);
  EXPECT_EQ(usage.oom_kills, 4u);
  EXPECT_EQ(usage.processes, 3u);
  EXPECT_DOUBLE_EQ(usage.cpu_seconds.value_or(0), 2.5);
}

TEST(Usage, ProcWhereNoCgroupIsVisible) {
  Root root;
  root.File("/proc/self/cgroup", "");
  root.File("/proc/42/status", "Name:\tx\nVmHWM:\t   20 kB\nVmRSS:\t   10 kB\n");
  root.File("/proc/42/stat", "42 (a) b (c) S 1 42 42 0 -1 4194304 1 2 3 4 100 50 30 20 20 0 1 0\n");
  const Usage usage = ReadUsage(root.path(), 42);
  EXPECT_EQ(usage.source, "proc");
  EXPECT_EQ(usage.memory_bytes, 10u * 1024);
  EXPECT_EQ(usage.memory_peak_bytes, 20u * 1024);
  EXPECT_DOUBLE_EQ(usage.cpu_seconds.value_or(0),
                   200.0 / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

TEST(Usage, NothingToReadIsNoError) {
  Root root;
  const Usage usage = ReadUsage(root.path(), 1);
  EXPECT_EQ(usage.source, "none");
  EXPECT_EQ(usage.memory_bytes, std::nullopt);
}

TEST(Usage, ThisMachineShowsSomething) {
  const Usage usage = ReadUsage("", getpid());
  EXPECT_NE(usage.source, "none");
  EXPECT_GT(usage.memory_bytes.value_or(0), 0u);
}

}  // namespace
}  // namespace databuild::exec
