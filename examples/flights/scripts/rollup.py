"""Makes a week, a month or a year out of the inputs the run was given, by adding them up.

    rollup.py weekly | monthly | yearly

Which days make a week or a month stands in the DataJob, not here: DataBuild hands over the list.
Each run makes one partition, so all the inputs belong to it.
"""

import datetime
import sys

import figures
import volume

CAPTURES = {"weekly": "week", "monthly": "month", "yearly": "year"}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in CAPTURES:
        sys.exit(__doc__)
    kind = sys.argv[1]
    outputs = volume.asked_outputs()
    if len(outputs) != 1:
        sys.exit(f"a run makes one {CAPTURES[kind]}, but was asked for {len(outputs)}")
    ref = outputs[0]
    period = volume.value_of(ref, kind, CAPTURES[kind])
    if kind == "weekly" and datetime.date.fromisoformat(period).weekday() != 0:
        sys.exit(f"{ref}: a week is named after its Monday, and {period} is none")
    total = {}
    for part in volume.given_inputs():
        figures.add(total, figures.read(part))
    figures.write(ref, total)


if __name__ == "__main__":
    main()
