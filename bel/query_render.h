// Rows of answers from rows of the fold. Private to the query engine.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "bel/query.h"

namespace databuild {

// "available": the value without its prefix, in lower case. DELEGATED included.
std::string NameOf(v1::PartitionStatus status);
std::string NameOf(v1::JobStatus status);
std::string NameOf(v1::WantLifecycle status);
std::string NameOf(v1::TaintLifecycle status);
std::string NameOf(v1::BuildRequestStatusCode status);
std::string NameOf(v1::JobOutcome outcome);
std::string NameOf(v1::SourceTypeCode source);

// Of the fold's counters by status.
uint64_t CountOf(const std::map<int, uint64_t>& counts, int status);

// RFC 3339; empty for 0.
std::string TimeText(TimeNs time);

// "/api/v1/graphs/<graph>/<rest>"; whatever parts need escaping have passed UrlText.
std::string Link(const QueryView& view, std::initializer_list<std::string_view> rest);
// Events of one thing, as the REST list with that filter. `value` has passed UrlText.
std::string EventsLink(const QueryView& view, std::string_view filter, std::string_view value);
// One path segment or query value: all but unreserved characters escaped.
std::string UrlText(std::string_view text);

// What a request's field names: kInvalidArgument where it is empty, kNotFound where there is none.
Result<Index> PartitionOf(const QueryView& view, std::string_view field, const std::string& ref);
Result<Index> BuildOf(const QueryView& view, std::string_view field, const std::string& id);

void FillCause(const CauseInfo& cause, v1::Cause& out);

// The instance a ref's status is of: the current one while it is usable, else the newest; kNone
// without instances.
Index ShownInstance(const BuildState& state, Index partition);

v1::PartitionSummary PartitionRowV1(const QueryView& view, Index partition);
v1::PartitionSummaryV2 PartitionRow(const QueryView& view, Index partition);
v1::PartitionInstance InstanceRow(const QueryView& view, Index instance);
v1::PartitionInstanceRef InstanceRef(const BuildState& state, Index instance);
v1::JobRunSummary JobRunRow(const QueryView& view, Index run);
v1::BuildSummary BuildRow(const QueryView& view, Index build);
// Without a page of partitions; total and available counted.
v1::PartitionWantSummary WantRow(const QueryView& view, Index want);

}  // namespace databuild
