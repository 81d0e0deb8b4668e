// Timelines of builds, partitions and job runs: what happened to one thing, from its events.
//
// Each has a filter, for EventLog::ListEvents (answered from postings), and a function that takes
// one event of such a page: false, and nothing written, when it does not belong to the timeline.
// Pure. Where retention has given up the beginning, a timeline begins at the floor.
#pragma once

#include <string>

#include "bel/query.h"

namespace databuild {

v1::EventFilter BuildTimelineFilter(const std::string& build_request_id);
// States of the build, its plans, what it leaves to others or takes over, its cancellation; not the
// events of its partitions and runs, which have timelines of their own.
bool ToTimeline(const v1::BuildEvent& event, const std::string& build_request_id,
                v1::BuildTimelineEvent& out);

v1::EventFilter PartitionTimelineFilter(const std::string& ref);
// States of its instances, invalidations, and builds that left it to another one.
bool ToTimeline(const v1::BuildEvent& event, const std::string& ref,
                v1::PartitionTimelineEvent& out);

v1::EventFilter JobRunTimelineFilter(const std::string& job_run_id);
bool ToTimeline(const v1::BuildEvent& event, const std::string& job_run_id,
                v1::JobRunTimelineEvent& out);

}  // namespace databuild
