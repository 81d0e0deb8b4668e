#!/usr/bin/env python3
"""Compares the files on the volume with figures computed straight from the data set.

    expected.py --data-set data/flights.csv.zip --root /data [--month 2013-01] [--year]

It shares no code with the jobs: it reads the whole data set once and counts every day, week, month
and the year from the single flights, where the jobs add up days and months. The exit status is 0
when every file that must be there is there and agrees, 1 otherwise.
"""

import argparse
import collections
import csv
import datetime
import io
import os
import sys
import zipfile

LATE_MINUTES = 15


class Tally:
    """The flights of one carrier in one period."""

    def __init__(self):
        self.dates = set()
        self.delays = []
        self.cancelled = 0
        self.diverted = 0

    def count(self, date, departed, delay):
        self.dates.add(date)
        if not departed:
            self.cancelled += 1
        elif delay is None:
            self.diverted += 1
        else:
            self.delays.append(delay)

    def line(self, carrier):
        arrived = len(self.delays)
        late = sum(1 for delay in self.delays if delay >= LATE_MINUTES)
        mean = f"{sum(self.delays) / arrived:.2f}" if arrived else ""
        flights = arrived + self.cancelled + self.diverted
        return (
            f"{carrier},{len(self.dates)},{flights},{self.cancelled},{self.diverted},"
            f"{arrived},{late},{sum(self.delays)},{mean}"
        )


HEADER = "carrier,days,flights,cancelled,diverted,arrived,late,delay_minutes,mean_delay"


def open_data_set(path):
    if path.endswith(".zip"):
        archive = zipfile.ZipFile(path)
        return io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8", newline="")
    return open(path, encoding="utf-8", newline="")


def periods_of(date):
    """The refs that a flight of this date counts for."""
    monday = date - datetime.timedelta(days=date.weekday())
    return (
        f"flights/delays/date={date:%Y-%m-%d}",
        f"flights/weekly/week={monday:%Y-%m-%d}",
        f"flights/monthly/month={date:%Y-%m}",
        f"flights/yearly/year={date:%Y}",
    )


def read_data_set(path):
    """The text of every roll-up, and of every raw day, by ref."""
    tallies = collections.defaultdict(lambda: collections.defaultdict(Tally))
    raw = collections.defaultdict(list)
    with open_data_set(path) as file:
        header = next(file)
        names = header.rstrip("\r\n").split(",")
        at = {name: number for number, name in enumerate(names)}
        for text in file:
            row = text.rstrip("\r\n").split(",")  # the data set quotes nothing
            date = datetime.date(*(int(row[at[name]]) for name in ("year", "month", "day")))
            departed = row[at["dep_time"]] != "NA"
            delay = None if row[at["arr_delay"]] == "NA" else int(row[at["arr_delay"]])
            raw[f"flights/raw/date={date}"].append(text)
            for ref in periods_of(date):
                tallies[ref][row[at["carrier"]]].count(date, departed, delay)
    texts = {ref: header + "".join(lines) for ref, lines in raw.items()}
    for ref, carriers in tallies.items():
        lines = [HEADER] + [carriers[carrier].line(carrier) for carrier in sorted(carriers)]
        texts[ref] = "\n".join(lines) + "\n"
    return texts


def days_between(first, last):
    return [first + datetime.timedelta(days=n) for n in range((last - first).days + 1)]


def refs_of_month(month):
    """Every ref that the want for a month makes: its days, the weeks inside it, the month."""
    first = datetime.date.fromisoformat(month + "-01")
    last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
    refs = [f"flights/monthly/month={month}"]
    for day in days_between(first, last):
        refs += [f"flights/raw/date={day}", f"flights/delays/date={day}"]
        if day.weekday() == 0 and day + datetime.timedelta(days=6) <= last:
            refs.append(f"flights/weekly/week={day}")
    return refs


def difference(expected, path):
    """What is wrong with the file, or None."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            found = file.read()
    except OSError as error:
        return error.strerror or str(error)
    if found == expected:
        return None
    pairs = zip(expected.splitlines(), found.splitlines())
    for number, (want, have) in enumerate(pairs, start=1):
        if want != have:
            return f"line {number} is {have!r}, expected {want!r}"
    return f"{len(found.splitlines())} lines, expected {len(expected.splitlines())}"


def summary(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    total = {name: sum(int(row[name]) for row in rows) for name in
             ("flights", "cancelled", "diverted", "arrived", "late", "delay_minutes")}
    return (
        f"{total['flights']:,} flights of {len(rows)} carriers, {total['cancelled']:,} cancelled, "
        f"{total['diverted']:,} diverted, {total['late']:,} late, "
        f"mean arrival delay {total['delay_minutes'] / total['arrived']:.2f} minutes"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data-set", default="/usr/share/flights/flights.csv")
    parser.add_argument("--root", default="/data")
    parser.add_argument("--month", action="append", default=[], help="such as 2013-01; repeatable")
    parser.add_argument("--ref", action="append", default=[], help="one partition; repeatable")
    parser.add_argument("--year", action="store_true", help="all of 2013")
    options = parser.parse_args()

    texts = read_data_set(options.data_set)
    refs = list(options.ref)
    for month in options.month:
        refs += refs_of_month(month)
    if options.year:
        refs.append("flights/yearly/year=2013")
        for month in range(1, 13):
            refs += [ref for ref in refs_of_month(f"2013-{month:02}") if "/weekly/" not in ref]
    if not refs:
        parser.error("nothing to compare: give --month, --ref or --year")

    wrong = 0
    for ref in sorted(set(refs)):
        problem = difference(texts.get(ref, ""), os.path.join(options.root, ref + ".csv"))
        if problem:
            wrong += 1
            print(f"WRONG {ref}: {problem}")
    for ref in sorted(set(refs)):
        if "/monthly/" in ref or "/yearly/" in ref:
            print(f"{ref}: {summary(texts[ref])}")
    print(f"{len(set(refs)) - wrong} of {len(set(refs))} files agree with the data set")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
