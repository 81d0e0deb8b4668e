#include "bel/query_events.h"

#include "bel/query_render.h"
#include "bel/transition.h"

namespace databuild {
namespace {

void FillDependencies(v1::JobConfig& config) {
  for (v1::DataDep& input : *config.mutable_inputs()) {
    input.set_dep_type_name(input.dep_type_code() == v1::MATERIALIZE ? "materialize" : "query");
  }
}

void FillSource(v1::SourceType& source) { source.set_name(NameOf(source.code())); }

}  // namespace

void FillNames(v1::BuildEvent& event) {
  switch (event.event_type_case()) {
    case v1::BuildEvent::kBuildRequestEvent: {
      v1::BuildRequestStatus& status = *event.mutable_build_request_event()->mutable_status();
      status.set_name(StatusName(EntityKind::kBuild, status.code()));
      return;
    }
    case v1::BuildEvent::kPartitionEvent: {
      v1::PartitionEvent& partition = *event.mutable_partition_event();
      partition.set_status_name(NameOf(partition.status_code()));
      return;
    }
    case v1::BuildEvent::kJobEvent: {
      v1::JobEvent& run = *event.mutable_job_event();
      run.set_status_name(NameOf(run.status_code()));
      if (run.has_config()) FillDependencies(*run.mutable_config());
      return;
    }
    case v1::BuildEvent::kJobGraphEvent:
      for (v1::Task& task :
           *event.mutable_job_graph_event()->mutable_job_graph()->mutable_nodes()) {
        if (task.has_config()) FillDependencies(*task.mutable_config());
      }
      return;
    case v1::BuildEvent::kWantEvent:
      if (event.want_event().has_source())
        FillSource(*event.mutable_want_event()->mutable_source()->mutable_source_type());
      return;
    case v1::BuildEvent::kTaintEvent:
      if (event.taint_event().has_source_type())
        FillSource(*event.mutable_taint_event()->mutable_source_type());
      return;
    default:
      return;
  }
}

}  // namespace databuild
