// docs/api.md is what the service says of itself. To write it anew after a change:
// DATABUILD_WRITE_DOCS=1 build/dev/tests/docs/docs_test --gtest_filter='ApiPage.*'
#include "tests/docs/api_page.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace databuild {
namespace {

constexpr char kPage[] = "docs/api.md";

TEST(ApiPage, IsWhatTheServiceAnswers) {
  const std::string page = RenderApiPage();
  EXPECT_EQ(page, RenderApiPage()) << "the same every time";
  if (std::getenv("DATABUILD_WRITE_DOCS") != nullptr) std::ofstream(kPage) << page;
  std::ifstream file(kPage);
  ASSERT_TRUE(file.is_open()) << kPage << ": run from the root of the repository";
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(kept, page) << kPage << " is out of date; see the first lines of this test";
}

}  // namespace
}  // namespace databuild
