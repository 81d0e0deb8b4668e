#include "bel/event_view.h"

#include <cstddef>

#include "bel/base/check.h"
#include "bel/wire_bytes.h"

namespace databuild {
namespace {

using Op = WireTable::Op;
using Taken = WireTable::Taken;

template <class Message>
WireTable Table(std::initializer_list<Taken> taken) {
  return WireTable(*Message::descriptor(), taken);
}

const WireTable& RefTable() {
  static const WireTable table = Table<v1::PartitionRef>({{1, Op::kText, offsetof(RefView, str)}});
  return table;
}

const WireTable& LabelTable() {
  static const WireTable table = Table<v1::JobLabel>({{1, Op::kText, offsetof(LabelView, label)}});
  return table;
}

const WireTable& CauseTable() {
  static const WireTable table =
      Table<v1::Cause>({{1, Op::kText, offsetof(CauseView, partition_ref)},
                        {2, Op::kText, offsetof(CauseView, job_run_id)},
                        {3, Op::kText, offsetof(CauseView, job_label)},
                        {4, Op::kText, offsetof(CauseView, reason)},
                        {5, Op::kText, offsetof(CauseView, message)}});
  return table;
}

const WireTable& SourceTypeTable() {
  static const WireTable table =
      Table<v1::SourceType>({{1, Op::kNumber32, offsetof(SourceTypeView, code)}});
  return table;
}

const WireTable& BuildRequestTable() {
  static const WireTable status =
      Table<v1::BuildRequestStatus>({{1, Op::kNumber32, offsetof(BuildStatusView, code)}});
  static const WireTable table = Table<v1::BuildRequestEvent>(
      {{1, Op::kSub, offsetof(BuildRequestView, status), &status},
       {3, Op::kList, offsetof(BuildRequestView, requested_partitions)},
       {4, Op::kText, offsetof(BuildRequestView, message)},
       {6, Op::kText, offsetof(BuildRequestView, want_id)},
       {100, Op::kNumber32, offsetof(BuildRequestView, attempt)},
       {101, Op::kList, offsetof(BuildRequestView, requested_ranges)},
       {102, Op::kSub, offsetof(BuildRequestView, cause), &CauseTable(),
        offsetof(BuildRequestView, has_cause)},
       {103, Op::kText, offsetof(BuildRequestView, reason)},
       {104, Op::kList, offsetof(BuildRequestView, unproducible)}});
  return table;
}

const WireTable& PartitionTable() {
  static const WireTable table =
      Table<v1::PartitionEvent>({{1, Op::kSub, offsetof(PartitionView, partition_ref), &RefTable()},
                                 {2, Op::kNumber32, offsetof(PartitionView, status_code)},
                                 {5, Op::kText, offsetof(PartitionView, job_run_id)},
                                 {100, Op::kText, offsetof(PartitionView, instance_id)},
                                 {101, Op::kSub, offsetof(PartitionView, cause), &CauseTable(),
                                  offsetof(PartitionView, has_cause)},
                                 {102, Op::kPresent, offsetof(PartitionView, has_external)},
                                 {103, Op::kNumber32, offsetof(PartitionView, ordinal)},
                                 {106, Op::kText, offsetof(PartitionView, tainted_by)}});
  return table;
}

const WireTable& JobTable() {
  static const WireTable table =
      Table<v1::JobEvent>({{1, Op::kText, offsetof(JobView, job_run_id)},
                           {2, Op::kSub, offsetof(JobView, job_label), &LabelTable()},
                           {3, Op::kList, offsetof(JobView, target_partitions)},
                           {4, Op::kNumber32, offsetof(JobView, status_code)},
                           {6, Op::kText, offsetof(JobView, message)},
                           {100, Op::kNumber32, offsetof(JobView, outcome)},
                           {101, Op::kNumber32, offsetof(JobView, kind)},
                           {102, Op::kNumber, offsetof(JobView, generation)},
                           {103, Op::kNumber32, offsetof(JobView, attempt)},
                           {104, Op::kList, offsetof(JobView, instance_ids)},
                           {105, Op::kList, offsetof(JobView, input_instances)},
                           {106, Op::kList, offsetof(JobView, missing_dependencies)},
                           {107, Op::kText, offsetof(JobView, reason)},
                           {108, Op::kOptional, offsetof(JobView, exit_code)},
                           {110, Op::kText, offsetof(JobView, job_name)},
                           {112, Op::kNumber, offsetof(JobView, started_at)},
                           {113, Op::kNumber, offsetof(JobView, finished_at)},
                           {116, Op::kList, offsetof(JobView, configs)}});
  return table;
}

const WireTable& DelegationTable() {
  static const WireTable table = Table<v1::DelegationEvent>(
      {{1, Op::kSub, offsetof(DelegationView, partition_ref), &RefTable()},
       {2, Op::kText, offsetof(DelegationView, delegated_to_build_request_id)},
       {101, Op::kList, offsetof(DelegationView, partition_refs)},
       {102, Op::kList, offsetof(DelegationView, ranges)},
       {103, Op::kFlag, offsetof(DelegationView, historical)}});
  return table;
}

const WireTable& TaskTable() {
  static const WireTable config =
      Table<v1::JobConfig>({{1, Op::kList, offsetof(ConfigView, outputs)},
                            {2, Op::kList, offsetof(ConfigView, inputs)}});
  static const WireTable table =
      Table<v1::Task>({{1, Op::kSub, offsetof(TaskView, job), &LabelTable()},
                       {2, Op::kSub, offsetof(TaskView, config), &config},
                       {100, Op::kNumber, offsetof(TaskView, generation)}});
  return table;
}

const WireTable& JobGraphTable() {
  static const WireTable graph = Table<v1::JobGraph>({{3, Op::kList, offsetof(GraphView, nodes)}});
  static const WireTable table =
      Table<v1::JobGraphEvent>({{1, Op::kSub, offsetof(JobGraphView, job_graph), &graph},
                                {100, Op::kNumber32, offsetof(JobGraphView, plan_number)},
                                {101, Op::kNumber32, offsetof(JobGraphView, part)},
                                {102, Op::kFlag, offsetof(JobGraphView, last)}});
  return table;
}

const WireTable& InvalidationTable() {
  static const WireTable table = Table<v1::PartitionInvalidationEvent>(
      {{1, Op::kSub, offsetof(InvalidationView, partition_ref), &RefTable()},
       {100, Op::kText, offsetof(InvalidationView, taint_id)},
       {101, Op::kText, offsetof(InvalidationView, instance_id)}});
  return table;
}

const WireTable& RunCancelTable() {
  static const WireTable table =
      Table<v1::JobRunCancelEvent>({{1, Op::kText, offsetof(RunCancelView, job_run_id)}});
  return table;
}

const WireTable& BuildCancelTable() {
  static const WireTable table =
      Table<v1::BuildCancelEvent>({{1, Op::kText, offsetof(BuildCancelView, reason)}});
  return table;
}

const WireTable& WantTable() {
  static const WireTable source =
      Table<v1::WantSource>({{1, Op::kSub, offsetof(SourceView, source_type), &SourceTypeTable()},
                             {100, Op::kText, offsetof(SourceView, name)},
                             {101, Op::kFlag, offsetof(SourceView, authenticated)}});
  static const WireTable table =
      Table<v1::WantEvent>({{1, Op::kList, offsetof(WantView, requested_partitions)},
                            {2, Op::kText, offsetof(WantView, want_id)},
                            {3, Op::kSub, offsetof(WantView, source), &source},
                            {4, Op::kText, offsetof(WantView, comment)},
                            {100, Op::kNumber32, offsetof(WantView, lifecycle)},
                            {101, Op::kNumber, offsetof(WantView, created_at)},
                            {102, Op::kNumber, offsetof(WantView, data_timestamp)},
                            {103, Op::kOptional, offsetof(WantView, ttl_seconds)},
                            {104, Op::kOptional, offsetof(WantView, sla_seconds)},
                            {105, Op::kNumber32, offsetof(WantView, priority)},
                            {106, Op::kFlag, offsetof(WantView, suspend)},
                            {107, Op::kText, offsetof(WantView, correlation_id)},
                            {108, Op::kOptional, offsetof(WantView, delete_after_seconds)},
                            {109, Op::kText, offsetof(WantView, name)},
                            {110, Op::kList, offsetof(WantView, requested_ranges)},
                            {111, Op::kNumber, offsetof(WantView, generation)},
                            {112, Op::kText, offsetof(WantView, retry_token)}});
  return table;
}

const WireTable& TaintTable() {
  static const WireTable table =
      Table<v1::TaintEvent>({{1, Op::kList, offsetof(TaintView, refs)},
                             {2, Op::kNumber, offsetof(TaintView, created_at)},
                             {3, Op::kSub, offsetof(TaintView, source_type), &SourceTypeTable()},
                             {4, Op::kText, offsetof(TaintView, comment)},
                             {100, Op::kText, offsetof(TaintView, taint_id)},
                             {101, Op::kNumber32, offsetof(TaintView, lifecycle)},
                             {102, Op::kText, offsetof(TaintView, name)},
                             {103, Op::kList, offsetof(TaintView, globs)},
                             {104, Op::kNumber32, offsetof(TaintView, cascade)},
                             {105, Op::kList, offsetof(TaintView, tainted_instances)},
                             {106, Op::kList, offsetof(TaintView, tainted_run_ids)},
                             {107, Op::kList, offsetof(TaintView, downstream_instances)},
                             {109, Op::kText, offsetof(TaintView, source_name)},
                             {110, Op::kFlag, offsetof(TaintView, source_authenticated)}});
  return table;
}

const WireTable& JobDefinitionTable() {
  static const WireTable table =
      Table<v1::JobDefinitionEvent>({{1, Op::kText, offsetof(JobDefinitionView, job_label)}});
  return table;
}

const WireTable& AdoptionTable() {
  static const WireTable table =
      Table<v1::AdoptionEvent>({{1, Op::kList, offsetof(AdoptionView, partition_refs)},
                                {2, Op::kList, offsetof(AdoptionView, instance_ids)},
                                {3, Op::kText, offsetof(AdoptionView, from_build_request_id)},
                                {4, Op::kText, offsetof(AdoptionView, to_build_request_id)}});
  return table;
}

// The fields of the envelope, the payload as an unread body.
struct Envelope {
  Text event_id, build_request_id;
  int64_t timestamp = 0, idx = 0;
  WireKind kind;
};

WireTable MakeEnvelopeTable() {
  constexpr size_t kKind = offsetof(Envelope, kind);
  return Table<v1::BuildEvent>({{1, Op::kText, offsetof(Envelope, event_id)},
                                {2, Op::kNumber, offsetof(Envelope, timestamp)},
                                {3, Op::kText, offsetof(Envelope, build_request_id)},
                                {10, Op::kKind, kKind},
                                {11, Op::kKind, kKind},
                                {12, Op::kKind, kKind},
                                {13, Op::kKind, kKind},
                                {14, Op::kKind, kKind},
                                {15, Op::kKind, kKind},
                                {16, Op::kKind, kKind},
                                {17, Op::kKind, kKind},
                                {18, Op::kKind, kKind},
                                {19, Op::kKind, kKind},
                                {101, Op::kKind, kKind},
                                {102, Op::kKind, kKind},
                                {100, Op::kNumber, offsetof(Envelope, idx)}});
}

template <class T>
WireStatus ReadPayload(const WireTable& table, EventView& event) {
  T& payload = event.payload.emplace<T>();
  return table.Read(event.kind.body, &payload, kWireDepth - 1);
}

WireStatus ReadKind(EventView& event) {
  switch (event.kind.number) {
    case v1::BuildEvent::kBuildRequestEvent:
      return ReadPayload<BuildRequestView>(BuildRequestTable(), event);
    case v1::BuildEvent::kPartitionEvent:
      return ReadPayload<PartitionView>(PartitionTable(), event);
    case v1::BuildEvent::kJobEvent:
      return ReadPayload<JobView>(JobTable(), event);
    case v1::BuildEvent::kDelegationEvent:
      return ReadPayload<DelegationView>(DelegationTable(), event);
    case v1::BuildEvent::kJobGraphEvent:
      return ReadPayload<JobGraphView>(JobGraphTable(), event);
    case v1::BuildEvent::kPartitionInvalidationEvent:
      return ReadPayload<InvalidationView>(InvalidationTable(), event);
    case v1::BuildEvent::kJobRunCancelEvent:
      return ReadPayload<RunCancelView>(RunCancelTable(), event);
    case v1::BuildEvent::kBuildCancelEvent:
      return ReadPayload<BuildCancelView>(BuildCancelTable(), event);
    case v1::BuildEvent::kWantEvent:
      return ReadPayload<WantView>(WantTable(), event);
    case v1::BuildEvent::kTaintEvent:
      return ReadPayload<TaintView>(TaintTable(), event);
    case v1::BuildEvent::kJobDefinitionEvent: {
      const WireStatus status = ReadPayload<JobDefinitionView>(JobDefinitionTable(), event);
      std::get<JobDefinitionView>(event.payload).body = event.kind.body;
      return status;
    }
    case v1::BuildEvent::kAdoptionEvent:
      return ReadPayload<AdoptionView>(AdoptionTable(), event);
    default:
      event.payload.emplace<std::monostate>();
      return WireStatus::kOk;
  }
}

// A text of ASCII behind this tag.
bool ReadUsualText(const char*& at, const char* end, uint32_t number, Text& text) {
  if (at == end || static_cast<uint8_t>(*at) != (number << 3 | kBytes)) return false;
  return ReadBody(++at, end, text) && IsAscii(text.data(), text.size());
}

bool ReadUsualNumber(const char*& at, const char* end, uint32_t number, int64_t& value) {
  uint32_t tag = 0;
  uint64_t read = 0;
  if (!ReadTag(at, end, tag) || tag != (number << 3 | kVarint) || !ReadVarint(at, end, read)) {
    return false;
  }
  value = static_cast<int64_t>(read);
  return true;
}

// The envelope as every release writes it: each field once, in order, texts in ASCII. False: it is
// another one, good or bad.
bool ReadUsualEnvelope(Text bytes, EventView& event) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  event.build_request_id = {};
  if (!ReadUsualText(at, end, v1::BuildEvent::kEventIdFieldNumber, event.event_id) ||
      !ReadUsualNumber(at, end, v1::BuildEvent::kTimestampFieldNumber, event.timestamp)) {
    return false;
  }
  constexpr uint32_t kBuild = v1::BuildEvent::kBuildRequestIdFieldNumber;
  if (at < end && *at == (kBuild << 3 | kBytes) &&
      !ReadUsualText(at, end, kBuild, event.build_request_id)) {
    return false;
  }
  uint32_t tag = 0;
  if (!ReadTag(at, end, tag) || (tag & 7) != kBytes) return false;
  event.kind.number = tag >> 3;
  return event.kind.number >= v1::BuildEvent::kBuildRequestEvent &&
         event.kind.number <= v1::BuildEvent::kTaintEvent && ReadBody(at, end, event.kind.body) &&
         ReadUsualNumber(at, end, v1::BuildEvent::kIdxFieldNumber, event.idx) && at == end;
}

WireStatus ReadEvent(Text bytes, EventView& event) {
  if (ReadUsualEnvelope(bytes, event)) return ReadKind(event);
  static const WireTable envelope_table = MakeEnvelopeTable();
  Envelope envelope;
  const WireStatus status = envelope_table.Read(bytes, &envelope);
  if (status != WireStatus::kOk) return status;
  event.event_id = envelope.event_id;
  event.build_request_id = envelope.build_request_id;
  event.timestamp = envelope.timestamp;
  event.idx = envelope.idx;
  event.kind = envelope.kind;
  return ReadKind(event);
}

template <class T>
T ReadElement(const WireTable& table, Text body) {
  T element;
  table.Read(body, &element);
  return element;
}

}  // namespace

RefView RefView::Read(Text body) {
  // By far the most frequent message: one short text and nothing else.
  if (body.size() >= 2 && body[0] == 0x0a && static_cast<size_t>(body[1]) == body.size() - 2 &&
      body[1] >= 0) {
    return {body.substr(2)};
  }
  return ReadElement<RefView>(RefTable(), body);
}

InstanceRefView InstanceRefView::Read(Text body) {
  static const WireTable table =
      Table<v1::PartitionInstanceRef>({{1, Op::kText, offsetof(InstanceRefView, ref)},
                                       {2, Op::kText, offsetof(InstanceRefView, instance_id)}});
  return ReadElement<InstanceRefView>(table, body);
}

UnproducibleView UnproducibleView::Read(Text body) {
  static const WireTable table =
      Table<v1::UnproduciblePartition>({{1, Op::kText, offsetof(UnproducibleView, ref)},
                                        {2, Op::kText, offsetof(UnproducibleView, kind)}});
  return ReadElement<UnproducibleView>(table, body);
}

DataDepView DataDepView::Read(Text body) {
  static const WireTable table =
      Table<v1::DataDep>({{1, Op::kNumber32, offsetof(DataDepView, dep_type_code)},
                          {3, Op::kSub, offsetof(DataDepView, partition_ref), &RefTable()}});
  return ReadElement<DataDepView>(table, body);
}

TaskView TaskView::Read(Text body) {
  TaskView task = ReadElement<TaskView>(TaskTable(), body);
  task.body = body;
  return task;
}

v1::PartitionRange RangeElement::Read(Text body) {
  v1::PartitionRange range;
  CHECK(range.ParseFromArray(body.data(), static_cast<int>(body.size())));
  return range;
}

bool EventDecoder::Decode(Text bytes, EventView& event) {
  WireStatus status = ReadEvent(bytes, event);
  if (status == WireStatus::kMerged) {
    v1::BuildEvent whole;
    if (!whole.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
    whole.SerializeToString(&whole_);
    status = ReadEvent(whole_, event);
  }
  return status == WireStatus::kOk;
}

}  // namespace databuild
