// The program as a file: small, static, quick. Not with sanitizers, which are none of these. A test
// of its own, because forking a large test process takes longer than what is measured here.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "wrapper/exec_harness_for_test.h"

namespace databuild::exec {
namespace {

TEST(ExecProgram, IsStaticSmallAndNeedsNothingOfTheImage) {
  struct stat info;
  ASSERT_EQ(stat(DATABUILD_EXEC_PATH, &info), 0);
  EXPECT_LT(info.st_size, 3'000'000);
  // In a root with nothing but the program and /proc: it is its own command.
  TestDir dir;
  const std::string root = dir.path(), path = DATABUILD_EXEC_PATH;
  std::filesystem::create_directories(root + path.substr(0, path.rfind('/')));
  std::filesystem::copy_file(path, root + path);
  ExecOptions options;
  options.as_pid_1 = true;
  options.args = {"run", "--local", "--output", "o", "--work-dir", "/", "--", path, "version"};
  options.prepare = [root] {
    if (chroot(root.c_str()) != 0 || chdir("/") != 0) _exit(205);
  };
  ExecProcess process(options);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_NE(process.output().find("databuild-exec 0."), std::string::npos) << process.output();
}

TEST(ExecProgram, AddsAtMostFiveMillisecondsToACommand) {
  // The best of fifty: what the program needs, not what else the machine is doing.
  int64_t best_us = 1'000'000;
  for (int i = 0; i < 50; ++i) {
    timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    ExecProcess process(
        {.args = {"run", "--local", "--output", "o", "--", DATABUILD_EXEC_PATH, "version"},
         .env = {},
         .stdout_path = {},
         .prepare = {}});
    process.ReadUntil("task_launch_success");
    clock_gettime(CLOCK_MONOTONIC, &end);
    best_us = std::min(
        best_us, (end.tv_sec - start.tv_sec) * 1'000'000 + (end.tv_nsec - start.tv_nsec) / 1000);
    EXPECT_EQ(process.Wait(), 0);
  }
  EXPECT_LT(best_us, 5000);
}

}  // namespace
}  // namespace databuild::exec
