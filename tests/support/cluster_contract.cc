#include "tests/support/cluster_contract.h"

#include <gtest/gtest.h>

#include "bel/base/uuid.h"

namespace databuild::testing {
namespace {

constexpr char kLogId[] = "11111111-1111-4111-8111-111111111111";
constexpr char kNoUid[] = "99999999-9999-4999-8999-999999999999";

std::shared_ptr<const ObservedDataJob> DataJobOf(ContractBed& bed, bool usable = true) {
  bed.PutDataJob("job", usable);
  auto seen = bed.Await<DataJobChanged>(
      [](const DataJobChanged& delta) { return delta.name == "job" && delta.data_job != nullptr; });
  return seen ? seen->data_job : nullptr;
}

CreateJob RunOf(std::shared_ptr<const ObservedDataJob> definition) {
  CreateJob run;
  run.run_id = RandomUuid();
  run.log_id = kLogId;
  run.job_label = "job";
  run.outputs = {{"x/1", RandomUuid()}};
  run.definition = std::move(definition);
  return run;
}

std::optional<JobCreated> AwaitCreated(ContractBed& bed, const CreateJob& run) {
  return bed.Await<JobCreated>([&](const JobCreated& fact) { return fact.run_id == run.run_id; });
}

std::shared_ptr<const ObservedJob> AwaitJob(ContractBed& bed, const CreateJob& run) {
  auto seen = bed.Await<JobChanged>(
      [&](const JobChanged& delta) { return delta.run_id == run.run_id && delta.job; });
  return seen ? seen->job : nullptr;
}

std::string AwaitWant(ContractBed& bed, const std::string& name) {
  auto seen = bed.Await<WantChanged>(
      [&](const WantChanged& delta) { return delta.want && delta.want->meta.name == name; });
  return seen ? seen->uid : "";
}

WantStatus StatusWith(const std::string& progress) {
  WantStatus status;
  status.observed_generation = 1;
  status.progress = progress;
  status.conditions = {{"Ready", "False", "Building", progress}};
  return status;
}

void ACreatedJobIsReportedAndShownWithItsIds(ContractBed& bed) {
  const CreateJob run = RunOf(DataJobOf(bed));
  bed.Submit(run);
  const auto created = AwaitCreated(bed, run);
  ASSERT_TRUE(created.has_value());
  EXPECT_GT(created->at, 0);
  const auto job = AwaitJob(bed, run);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->run_id, run.run_id);
  EXPECT_EQ(job->log_id, run.log_id);
  EXPECT_FALSE(job->uid.empty());
  EXPECT_TRUE(bed.HasJob(run));
}

void ASecondCreateOfOurOwnJobIsSuccess(ContractBed& bed) {
  const CreateJob run = RunOf(DataJobOf(bed));
  bed.Submit(run);
  ASSERT_TRUE(AwaitCreated(bed, run).has_value());
  const auto job = AwaitJob(bed, run);
  ASSERT_TRUE(job);
  bed.Submit(run);
  EXPECT_TRUE(AwaitCreated(bed, run).has_value());
  bed.Settle();
  EXPECT_FALSE(bed.Came<JobRefused>());
}

void AJobOfAnotherLogUnderOurNameIsRefusedAndLeftAlone(ContractBed& bed) {
  CreateJob theirs = RunOf(DataJobOf(bed));
  CreateJob ours = theirs;
  theirs.log_id = "33333333-3333-4333-8333-333333333333";
  bed.Submit(theirs);
  ASSERT_TRUE(AwaitCreated(bed, theirs).has_value());
  bed.Submit(ours);
  const auto refused = bed.Await<JobRefused>();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->run_id, ours.run_id);
  EXPECT_FALSE(refused->too_large);
  EXPECT_GT(refused->at, 0);
  EXPECT_TRUE(bed.HasJob(theirs));
}

void AJobIsNotDeletedByTheUidOfAnother(ContractBed& bed) {
  const CreateJob run = RunOf(DataJobOf(bed));
  bed.Submit(run);
  ASSERT_TRUE(AwaitJob(bed, run));
  bed.Submit(DeleteJob{run.run_id, "job", kNoUid});
  bed.Settle();
  EXPECT_TRUE(bed.HasJob(run));
}

void ADeletedJobIsNoLongerShownAndConfirmedAbsent(ContractBed& bed) {
  const CreateJob run = RunOf(DataJobOf(bed));
  bed.Submit(run);
  const auto job = AwaitJob(bed, run);
  ASSERT_TRUE(job);
  bed.Submit(DeleteJob{run.run_id, "job", job->uid});
  ASSERT_TRUE(bed.Await<JobChanged>([&](const JobChanged& delta) {
                   return delta.run_id == run.run_id && !delta.job;
                 })
                  .has_value());
  EXPECT_FALSE(bed.HasJob(run));
  EXPECT_TRUE(bed.Persist<RunAbsent>(ConfirmRunAbsent{run.run_id, "job"}));
}

void AJobNeverSeenIsDeletedByItsName(ContractBed& bed) {
  const CreateJob run = RunOf(DataJobOf(bed));
  bed.Submit(run);
  ASSERT_TRUE(AwaitCreated(bed, run).has_value());
  bed.Submit(DeleteJob{run.run_id, "job", ""});
  ASSERT_TRUE(
      bed.Await<JobChanged>([](const JobChanged& delta) { return !delta.job; }).has_value());
  EXPECT_FALSE(bed.HasJob(run));
}

void DeletingWhatIsNotThereChangesNothing(ContractBed& bed) {
  bed.Submit(DeleteJob{RandomUuid(), "job", ""});
  bed.Submit(DeleteJob{RandomUuid(), "job", kNoUid});
  bed.Submit(databuild::DeleteWant{"nobody", kNoUid});
  bed.Settle();
  EXPECT_FALSE(bed.Came<RunAbsent>());
  EXPECT_FALSE(bed.Came<ObjectAbsent>());
}

void ALivingRunIsNotConfirmedAbsent(ContractBed& bed) {
  const CreateJob run = RunOf(DataJobOf(bed));
  bed.Submit(run);
  ASSERT_TRUE(AwaitJob(bed, run));
  bed.Submit(ConfirmRunAbsent{run.run_id, "job"});
  bed.Settle();
  EXPECT_FALSE(bed.Came<RunAbsent>());
}

void AJobDeletedBySomebodyElseIsConfirmedAbsent(ContractBed& bed) {
  const CreateJob run = RunOf(DataJobOf(bed));
  bed.Submit(run);
  ASSERT_TRUE(AwaitJob(bed, run));
  bed.DeleteJob(run);
  ASSERT_TRUE(
      bed.Await<JobChanged>([](const JobChanged& delta) { return !delta.job; }).has_value());
  EXPECT_TRUE(bed.Persist<RunAbsent>(ConfirmRunAbsent{run.run_id, "job"}));
}

void AWantIsDeletedOnlyByItsOwnUid(ContractBed& bed) {
  bed.PutWant("w", "x/1");
  const std::string uid = AwaitWant(bed, "w");
  bed.Submit(databuild::DeleteWant{"w", kNoUid});
  bed.Settle();
  EXPECT_TRUE(bed.HasWant("w", uid));
  bed.Submit(databuild::DeleteWant{"w", uid});
  ASSERT_TRUE(
      bed.Await<WantChanged>([](const WantChanged& delta) { return !delta.want; }).has_value());
  EXPECT_FALSE(bed.HasWant("w", uid));
}

void AWantUnderTheNameOfADeletedOneIsAnother(ContractBed& bed) {
  bed.PutWant("w", "x/1");
  const std::string old_uid = AwaitWant(bed, "w");
  bed.DeleteWant("w");
  ASSERT_TRUE(
      bed.Await<WantChanged>([](const WantChanged& delta) { return !delta.want; }).has_value());
  bed.PutWant("w", "x/2");
  const std::string new_uid = AwaitWant(bed, "w");
  EXPECT_NE(new_uid, old_uid);
  bed.Submit(ConfirmObjectAbsent{ObjectKind::kWant, "w", old_uid});
  const auto absent = bed.Await<ObjectAbsent>();
  ASSERT_TRUE(absent.has_value());
  EXPECT_EQ(absent->uid, old_uid);
  bed.Submit(databuild::DeleteWant{"w", old_uid});
  bed.Settle();
  EXPECT_TRUE(bed.HasWant("w", new_uid));
}

void ALivingWantIsNotConfirmedAbsent(ContractBed& bed) {
  bed.PutWant("w", "x/1");
  const std::string uid = AwaitWant(bed, "w");
  bed.Submit(ConfirmObjectAbsent{ObjectKind::kWant, "w", uid});
  bed.Settle();
  EXPECT_FALSE(bed.Came<ObjectAbsent>());
}

void AStatusReachesItsObjectAndNotItsSuccessor(ContractBed& bed) {
  bed.PutWant("w", "x/1");
  const std::string uid = AwaitWant(bed, "w");
  bed.Submit(PatchStatus{ObjectKind::kWant, "w", kNoUid, StatusWith("7/7")});
  bed.Settle();
  EXPECT_NE(bed.Progress("w"), "7/7");
  bed.Submit(PatchStatus{ObjectKind::kWant, "w", uid, StatusWith("0/1")});
  bed.Settle();
  EXPECT_EQ(bed.Progress("w"), "0/1");
}

void AStatusOfNobodyIsDropped(ContractBed& bed) {
  bed.Submit(PatchStatus{ObjectKind::kWant, "nobody", kNoUid, StatusWith("0/1")});
  bed.Settle();
  EXPECT_FALSE(bed.Came<WantChanged>());
}

void ATemplateIsProvedForItsGeneration(ContractBed& bed) {
  for (const bool usable : {true, false}) {
    bed.Forget();
    const auto definition = DataJobOf(bed, usable);
    ASSERT_TRUE(definition);
    bed.Submit(ProveTemplate{definition});
    const auto proof = bed.Await<TemplateProof>();
    ASSERT_TRUE(proof.has_value());
    EXPECT_EQ(proof->uid, definition->meta.uid);
    EXPECT_EQ(proof->generation, definition->meta.generation);
    EXPECT_EQ(proof->accepted, usable);
    EXPECT_EQ(proof->message.empty(), usable);
  }
}

}  // namespace

#define CONTRACT_CASE(name) \
  ContractCase { #name, name }

const std::vector<ContractCase>& ContractCases() {
  static const std::vector<ContractCase> cases = {
      CONTRACT_CASE(ACreatedJobIsReportedAndShownWithItsIds),
      CONTRACT_CASE(ASecondCreateOfOurOwnJobIsSuccess),
      CONTRACT_CASE(AJobOfAnotherLogUnderOurNameIsRefusedAndLeftAlone),
      CONTRACT_CASE(AJobIsNotDeletedByTheUidOfAnother),
      CONTRACT_CASE(ADeletedJobIsNoLongerShownAndConfirmedAbsent),
      CONTRACT_CASE(AJobNeverSeenIsDeletedByItsName),
      CONTRACT_CASE(DeletingWhatIsNotThereChangesNothing),
      CONTRACT_CASE(ALivingRunIsNotConfirmedAbsent),
      CONTRACT_CASE(AJobDeletedBySomebodyElseIsConfirmedAbsent),
      CONTRACT_CASE(AWantIsDeletedOnlyByItsOwnUid),
      CONTRACT_CASE(AWantUnderTheNameOfADeletedOneIsAnother),
      CONTRACT_CASE(ALivingWantIsNotConfirmedAbsent),
      CONTRACT_CASE(AStatusReachesItsObjectAndNotItsSuccessor),
      CONTRACT_CASE(AStatusOfNobodyIsDropped),
      CONTRACT_CASE(ATemplateIsProvedForItsGeneration),
  };
  return cases;
}

}  // namespace databuild::testing
