#include "bel/compact.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "bel/entity_id.h"
#include "bel/name_table.h"

namespace databuild {
namespace {

TEST(SmallList, DoesWhatAVectorDoes) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    SmallList<uint32_t> list;
    std::vector<uint32_t> model;
    for (int step = 0; step < 60; ++step) {
      const uint32_t value = static_cast<uint32_t>(random() % 8);
      switch (random() % 6) {
        case 0:
          Erase(list, value);
          std::erase(model, value);
          break;
        case 1:
          AddOnce(list, value);
          if (std::find(model.begin(), model.end(), value) == model.end()) model.push_back(value);
          break;
        case 2: {
          SmallList<uint32_t> copy = list;
          const SmallList<uint32_t> moved = std::move(copy);
          list = moved;
          break;
        }
        default:
          list.push_back(value);
          model.push_back(value);
      }
      ASSERT_EQ(std::vector<uint32_t>(list.begin(), list.end()), model);
    }
  }
}

TEST(CompactText, HoldsAnyBytesAndCopiesThem) {
  const std::vector<std::string> texts = {"", "a", "sales/eu", std::string("a\0b", 3),
                                          std::string(70'000, 'x')};
  for (const std::string& text : texts) {
    CompactText compact = text;
    const CompactText copy = compact;
    compact = "another";
    EXPECT_EQ(copy, text);
    EXPECT_EQ(copy.size(), text.size());
    EXPECT_EQ(copy.empty(), text.empty());
  }
}

// Only what a UUID says in its one canonical text is kept as bytes: every id comes back as written.
TEST(EntityId, ComesBackAsItWasWritten) {
  const std::vector<std::string> ids = {
      "",
      "i1",
      "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
      "3F2504E0-4F89-41D3-9A0C-0305E82C3301",  // upper case: not canonical
      "3f2504e0-4f89-41d3-0a0c-0305e82c3301",  // another variant
      "00000000-0000-0000-0000-000000000000",
      "3f2504e0-4f89-41d3-9a0c-0305e82c330",
      "3f2504e0-4f89-41d3-9a0c-0305e82c3301x",
  };
  for (const std::string& text : ids) {
    EntityId id{std::string_view(text)};
    EntityId copy = id;
    const EntityId moved = std::move(id);
    EXPECT_EQ(copy.str(), text);
    EXPECT_EQ(moved.str(), text);
    EXPECT_EQ(copy.hash(), IdKey(text).hash());
    for (const std::string& other : ids) {
      EXPECT_EQ(copy.Is(IdKey(other)), text == other) << text << " " << other;
      EXPECT_EQ(copy == EntityId{std::string_view(other)}, text == other) << text << " " << other;
    }
  }
}

TEST(NameTable, FindsEveryNameAndNoOther) {
  struct Named {
    EntityId id;
  };
  std::vector<Named> list;
  NameTable names;
  for (int i = 0; i < 50'000; ++i) {
    const auto [index, added] = InternById(names, list, "n" + std::to_string(i));
    ASSERT_TRUE(added);
    ASSERT_EQ(index, static_cast<Index>(i));
  }
  for (int i = 0; i < 50'000; ++i) {
    ASSERT_EQ(FindById(names, list, IdKey("n" + std::to_string(i))), static_cast<Index>(i));
    ASSERT_EQ(FindById(names, list, IdKey("m" + std::to_string(i))), kNone);
  }
}

}  // namespace
}  // namespace databuild
