"""Makes flights/delays/date=…: what each carrier's passengers went through on one day.

A flight without a departure time was cancelled; one that departed but has no arrival delay was
diverted; all others arrived. A flight is late when it arrives 15 minutes or more after schedule.
"""

import sys

import figures
import volume


def day_of(rows):
    carriers = {}
    for row in rows:
        figure = carriers.setdefault(row["carrier"], figures.empty(row["carrier"], days=1))
        figure["flights"] += 1
        if row["dep_time"] == "NA":
            figure["cancelled"] += 1
        elif row["arr_delay"] == "NA":
            figure["diverted"] += 1
        else:
            delay = int(row["arr_delay"])
            figure["arrived"] += 1
            figure["late"] += delay >= 15
            figure["delay_minutes"] += delay
    return carriers


def main():
    for ref in volume.asked_outputs():
        date = volume.value_of(ref, "delays", "date")
        raw = f"flights/raw/date={date}"
        if raw not in volume.given_inputs():
            sys.exit(f"{ref} is made from {raw}, which is not among the inputs")
        figures.write(ref, day_of(volume.read_rows(raw)))


if __name__ == "__main__":
    main()
