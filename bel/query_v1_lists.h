// Lists and details of the first generation of the API: the same rows as those of query.h, by limit
// and offset. Pure, like query.h.
//
// An offset is answered by skipping rows and is meant for small ones (at most 10,000); page tokens
// go on from where a page ended, however long the list is.
#pragma once

#include "bel/query.h"

namespace databuild {

Result<v1::PartitionsListResponse> PartitionsList(const QueryView& view,
                                                  const v1::PartitionsListRequest& request);
Result<v1::JobsListResponse> JobsList(const QueryView& view, const v1::JobsListRequest& request);
// Runs of kind BUILD.
Result<v1::JobRunsListResponse> JobRunsList(const QueryView& view,
                                            const v1::JobRunsListRequest& request);
Result<v1::BuildsListResponse> BuildsList(const QueryView& view,
                                          const v1::BuildsListRequest& request);

// Details, without the timelines, which only the log holds (query_timelines.h). kNotFound: there is
// none.
Result<v1::PartitionDetailResponse> PartitionDetail(const QueryView& view,
                                                    const v1::PartitionDetailRequest& request);
Result<v1::JobDetailResponse> JobDetail(const QueryView& view, const v1::JobDetailRequest& request);
Result<v1::JobRunDetailResponse> JobRunDetail(const QueryView& view,
                                              const v1::JobRunDetailRequest& request);
Result<v1::BuildDetailResponse> BuildDetail(const QueryView& view,
                                            const v1::BuildDetailRequest& request);

}  // namespace databuild
