"""Makes flights/raw/date=…: the rows of one day, as they stand in the data set of the image."""

import mmap
import os
import sys

import volume


def rows_of(data_set, date):
    """The header and the lines of one day. The data set writes 2013-01-05 as `2013,1,5,`."""
    try:
        year, month, day = (int(part) for part in date.split("-"))
    except ValueError:
        sys.exit(f"{date!r} is not a date like 2013-01-05")
    prefix = f"{year},{month},{day},".encode()
    header = data_set[: data_set.find(b"\n") + 1]
    rows = []
    at = data_set.find(b"\n" + prefix)
    while at != -1:
        end = data_set.find(b"\n", at + 1)
        rows.append(data_set[at + 1 : end + 1])
        at = data_set.find(b"\n" + prefix, end)
    return header, rows


def main():
    path = os.environ.get("FLIGHTS_DATA_SET", "/usr/share/flights/flights.csv")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data_set:
        for ref in volume.asked_outputs():
            date = volume.value_of(ref, "raw", "date")
            header, rows = rows_of(data_set, date)
            if not rows:
                sys.exit(f"the data set has no flight on {date}: it holds the year 2013")
            volume.write(ref, [header, *rows])
            volume.report(ref, len(rows))


if __name__ == "__main__":
    main()
