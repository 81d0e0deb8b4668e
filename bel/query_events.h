// Names beside enums in events: not stored, filled when answering.
#pragma once

namespace databuild::v1 {
class BuildEvent;
}

namespace databuild {

// Fills every `*_name` and `name` string that stands beside an enum, over whatever it held.
void FillNames(v1::BuildEvent& event);

}  // namespace databuild
