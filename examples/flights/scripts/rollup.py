"""Makes a week, a month or a year out of the inputs the run was given, by adding them up.

    rollup.py weekly | monthly | yearly
    rollup.py config REF...

Which days make a week stands in the DataJob. A month is asked for (`configure: Container`): `config`
answers from which days the refs are made. A year finds out when it runs: what it was not given it
reports as missing, and DataBuild makes it and runs the year again. Each run makes one partition, so
all the inputs belong to it.
"""

import datetime
import json
import sys

import figures
import volume

CAPTURES = {"weekly": "week", "monthly": "month", "yearly": "year"}


def days_of(month):
    """The days of a month like 2013-02, in order."""
    day = datetime.date.fromisoformat(month + "-01")
    while f"{day:%Y-%m}" == month:
        yield day.isoformat()
        day += datetime.timedelta(days=1)


def configs(refs):
    """A JobConfigureResponse: for each month the run that would make it."""
    for ref in refs:
        month = volume.value_of(ref, "monthly", "month")
        parts = [f"flights/delays/date={day}" for day in days_of(month)]
        yield {"outputs": [{"str": ref}], "args": ["monthly"],
               "inputs": [{"depTypeCode": "MATERIALIZE", "partitionRef": {"str": part}}
                          for part in parts]}


def need_months_of(year):
    months = [f"flights/monthly/month={year}-{number:02}" for number in range(1, 13)]
    missing = [month for month in months if month not in volume.given_inputs()]
    if missing:
        volume.report_missing(missing)


def main():
    if sys.argv[1:2] == ["config"]:
        print(json.dumps({"configs": list(configs(sys.argv[2:]))}))
        return
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
    if kind == "yearly":
        need_months_of(period)
    total = {}
    for part in volume.given_inputs():
        figures.add(total, figures.read(part))
    figures.write(ref, total)


if __name__ == "__main__":
    main()
