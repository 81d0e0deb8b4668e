#include "controller/api/put_request.h"

#include <gtest/gtest.h>

#include <functional>

#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

v1::IndividualWantRequest* AddWant(v1::PutWantsRequest& request, const std::string& ref) {
  v1::IndividualWantRequest* want = request.add_wants();
  want->mutable_ref()->set_str(ref);
  return want;
}

TEST(PutRequest, EntriesWithEqualSettingsShareAnObject) {
  v1::PutWantsRequest request;
  request.set_comment("board");
  AddWant(request, "a/1");
  AddWant(request, "a/2")->set_priority(5);
  AddWant(request, "a/3");
  v1::IndividualWantRequest* late = AddWant(request, "a/4");
  late->set_priority(5);
  late->set_ttl_seconds(60);
  AddWant(request, "a/1")->set_priority(5);  // the same ref, but other settings
  const Result<WantObjects> made = ObjectsOf(request);
  ASSERT_TRUE(made.ok()) << made.error().message;
  ASSERT_EQ(made->objects.size(), 3u);
  EXPECT_EQ(made->object_of, (std::vector<size_t>{0, 1, 0, 2, 1}));
  EXPECT_EQ(made->objects[0].partitions, (std::vector<std::string>{"a/1", "a/3"}));
  EXPECT_EQ(made->objects[1].partitions, (std::vector<std::string>{"a/2", "a/1"}));
  EXPECT_EQ(made->objects[1].priority, 5);
  EXPECT_EQ(made->objects[2].ttl_seconds, 60u);
  EXPECT_EQ(made->objects[2].comment, "board");
  EXPECT_EQ(made->objects[0].source_type, "ApiRequest");
  EXPECT_FALSE(made->objects[0].data_timestamp.has_value());
}

TEST(PutRequest, AnObjectHoldsAThousandRefsAndHalfAMebibyte) {
  v1::PutWantsRequest request;
  for (int i = 0; i < 2'500; ++i) AddWant(request, "p/" + std::to_string(i));
  const Result<WantObjects> many = ObjectsOf(request);
  ASSERT_EQ(many->objects.size(), 3u);
  EXPECT_EQ(many->objects[1].partitions.size(), 1'000u);
  EXPECT_EQ(many->objects[2].partitions.size(), 500u);
  EXPECT_EQ(many->object_of[1'000], 1u);
  v1::PutWantsRequest wide;
  for (int i = 0; i < 600; ++i) AddWant(wide, std::string(1'020, 'x') + std::to_string(1'000 + i));
  const Result<WantObjects> split = ObjectsOf(wide);
  ASSERT_EQ(split->objects.size(), 2u);
  EXPECT_EQ(split->objects[0].partitions.size(), 512u);
}

TEST(PutRequest, TheMisspeltTimeIsTheSameTime) {
  v1::PutWantsRequest request;
  AddWant(request, "a/1")->set_date_timestamp(1'736'035'200'000'000'000);
  AddWant(request, "a/2")->set_data_timestamp(1'736'035'200'000'000'000);
  AddWant(request, "a/3")->set_data_timestamp(1'736'035'200'000'000'000);
  request.mutable_wants(2)->set_date_timestamp(1'736'035'200'000'000'000);
  const Result<WantObjects> made = ObjectsOf(request);
  ASSERT_EQ(made->objects.size(), 1u);
  EXPECT_EQ(made->objects[0].data_timestamp, 1'736'035'200'000'000'000);
}

TEST(PutRequest, TheWayIsAsGiven) {
  v1::PutWantsRequest request;
  AddWant(request, "a/1");
  request.mutable_source()->set_name(
      "somebody else");  // the caller's name is not a caller's choice
  EXPECT_EQ(ObjectsOf(request)->objects[0].source_type, "CliManual");
  request.mutable_source()->mutable_source_type()->set_code(v1::SCHEDULED);
  EXPECT_EQ(ObjectsOf(request)->objects[0].source_type, "Scheduled");
  v1::PutTaintsRequest taint;
  taint.add_refs()->set_str("a/1");
  EXPECT_EQ(ObjectOf(taint)->source_type, "ApiRequest");
  taint.mutable_source()->set_code(v1::DASHBOARD_MANUAL);
  EXPECT_EQ(ObjectOf(taint)->source_type, "DashboardManual");
}

TEST(PutRequest, MistakesNameTheirField) {
  using Change = std::function<void(v1::PutWantsRequest&)>;
  const std::string umlauts = [] {
    std::string text;
    for (int i = 0; i < 1'024; ++i) text += "\xC3\xBC";
    return text;
  }();
  const std::vector<std::pair<std::string, Change>> cases{
      {"wants: ", [](auto& r) { r.clear_wants(); }},
      {"wants[1].ref: ", [](auto& r) { AddWant(r, ""); }},
      {"wants[1].ref: ", [](auto& r) { AddWant(r, "a/\xC3\xBC"); }},
      {"wants[1].ref: ", [](auto& r) { AddWant(r, "a/\n"); }},
      {"wants[1].ref: ", [](auto& r) { AddWant(r, std::string(1'025, 'x')); }},
      {"wants[1].ref: ", [](auto& r) { AddWant(r, "a/1"); }},
      {"wants[0].date_timestamp: ",
       [](auto& r) {
         r.mutable_wants(0)->set_date_timestamp(1);
         r.mutable_wants(0)->set_data_timestamp(2);
       }},
      {"wants[0].data_timestamp: ",
       [](auto& r) { r.mutable_wants(0)->set_data_timestamp(UINT64_MAX); }},
      {"wants[0].date_timestamp: ",
       [](auto& r) { r.mutable_wants(0)->set_date_timestamp(UINT64_MAX); }},
      {"wants[0].ttl_seconds: ", [](auto& r) { r.mutable_wants(0)->set_ttl_seconds(360'000'000); }},
      {"wants[0].sla_seconds: ", [](auto& r) { r.mutable_wants(0)->set_sla_seconds(UINT64_MAX); }},
      {"wants[0].priority: ", [](auto& r) { r.mutable_wants(0)->set_priority(1'000'001); }},
      {"wants[0].priority: ", [](auto& r) { r.mutable_wants(0)->set_priority(-1'000'001); }},
      {"wants[0].correlation_id: ",
       [](auto& r) { r.mutable_wants(0)->set_correlation_id(std::string(2'049, 'x')); }},
      {"comment: ", [](auto& r) { r.set_comment(std::string(1'025, 'x')); }},
      {"idempotency_key: ", [](auto& r) { r.set_idempotency_key(std::string(1'025, 'x')); }},
      {"source.source_type.code: ",
       [](auto& r) {
         r.mutable_source()->mutable_source_type()->set_code(static_cast<v1::SourceTypeCode>(17));
       }},
      {"wants: ",
       [](auto& r) {
         for (int i = 0; i < 10'000; ++i) AddWant(r, "p/" + std::to_string(i));
       }},
      {"wants: ",
       [](auto& r) {
         for (int i = 1; i <= 100; ++i) AddWant(r, "a/1")->set_priority(i);
       }},
  };
  for (const auto& [field, change] : cases) {
    v1::PutWantsRequest request;
    AddWant(request, "a/1");
    change(request);
    const Result<WantObjects> made = ObjectsOf(request);
    ASSERT_FALSE(made.ok()) << field;
    EXPECT_EQ(made.error().code, Errc::kInvalidArgument);
    EXPECT_TRUE(made.error().message.starts_with(field)) << made.error().message;
  }
  v1::PutWantsRequest request;
  AddWant(request, "a/1");
  request.set_comment(umlauts);  // 1,024 characters in 2,048 bytes
  EXPECT_TRUE(ObjectsOf(request).ok());
}

TEST(PutRequest, MistakesInTaintsNameTheirField) {
  using Change = std::function<void(v1::PutTaintsRequest&)>;
  const std::vector<std::pair<std::string, Change>> cases{
      {"refs: ", [](auto& r) { r.clear_refs(); }},
      {"refs[1]: ", [](auto& r) { r.add_refs()->set_str(""); }},
      {"refs[1]: ", [](auto& r) { r.add_refs()->set_str("a/1"); }},
      {"refs: ",
       [](auto& r) {
         for (int i = 0; i < 1'000; ++i) r.add_refs()->set_str("p/" + std::to_string(i));
       }},
      {"refs: ",
       [](auto& r) {
         for (int i = 0; i < 600; ++i)
           r.add_refs()->set_str(std::string(1'000, 'x') + std::to_string(i));
       }},
      {"globs[0]: ", [](auto& r) { r.add_globs("a/***"); }},
      {"globs[1]: ",
       [](auto& r) {
         r.add_globs("a/*");
         r.add_globs("a/*");
       }},
      {"globs: ",
       [](auto& r) {
         for (int i = 0; i < 101; ++i) r.add_globs("a/*" + std::to_string(i));
       }},
      {"comment: ", [](auto& r) { r.set_comment(std::string(1'025, 'x')); }},
      {"cascade: ", [](auto& r) { r.set_cascade(static_cast<v1::TaintCascade>(9)); }},
      {"source.code: ",
       [](auto& r) { r.mutable_source()->set_code(static_cast<v1::SourceTypeCode>(-1)); }},
  };
  for (const auto& [field, change] : cases) {
    v1::PutTaintsRequest request;
    request.add_refs()->set_str("a/1");
    change(request);
    const Result<NewObject> made = ObjectOf(request);
    ASSERT_FALSE(made.ok()) << field;
    EXPECT_TRUE(made.error().message.starts_with(field)) << made.error().message;
  }
}

TEST(PutRequest, NamesComeFromCallerKeyKindAndPlace) {
  const std::string name = ObjectName({"alice", "k", "want"}, 0);
  EXPECT_EQ(name, ObjectName({"alice", "k", "want"}, 0));
  EXPECT_EQ(name.size(), 44u);
  for (const ObjectNaming& other :
       {ObjectNaming{"alic", "ek", "want"}, ObjectNaming{"alice", "k", "taint"},
        ObjectNaming{"bob", "k", "want"}, ObjectNaming{"alice", "K", "want"}}) {
    EXPECT_NE(name, ObjectName(other, 0));
  }
  EXPECT_NE(name, ObjectName({"alice", "k", "want"}, 1));
}

TEST(PutRequest, ADigestIsOfWhatIsAskedFor) {
  v1::PutWantsRequest request;
  AddWant(request, "a/1");
  const std::string digest = DigestOf(request);
  v1::PutWantsRequest same = request;
  same.set_graph("sales");
  same.set_idempotency_key("k");
  EXPECT_EQ(DigestOf(same), digest);
  same.set_comment("x");
  EXPECT_NE(DigestOf(same), digest);
  v1::PutWantsRequest named = request;
  named.mutable_source()->mutable_source_type()->set_code(v1::SCHEDULED);
  const std::string scheduled = DigestOf(named);
  EXPECT_NE(scheduled, digest);
  named.mutable_source()->set_name("alice");
  EXPECT_EQ(DigestOf(named), scheduled);
}

}  // namespace
}  // namespace databuild
