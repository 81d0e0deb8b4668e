"""What every job of the example shares: which partitions it was asked for, and files on the volume.

A partition is one file: `flights/raw/date=2013-01-05` is `$FLIGHTS_ROOT/flights/raw/date=2013-01-05.csv`.
A file appears complete or not at all: it is written beside its place, flushed, and renamed.
"""

import csv
import json
import os
import sys
import tempfile


def root():
    return os.environ.get("FLIGHTS_ROOT", "/data")


def path_of(ref):
    return os.path.join(root(), *ref.split("/")) + ".csv"


def asked_outputs():
    return _refs("DATABUILD_OUTPUTS_FILE")


def given_inputs():
    return _refs("DATABUILD_INPUTS_FILE")


def _refs(variable):
    name = os.environ.get(variable)
    if name is None:
        sys.exit(f"{variable} is not set: DataBuild names there the file with the partitions")
    with open(name, encoding="utf-8") as file:
        return json.load(file)


def value_of(ref, kind, capture):
    """The `2013-01-05` of `flights/raw/date=2013-01-05`, for kind `raw` and capture `date`."""
    prefix = f"flights/{kind}/{capture}="
    if not ref.startswith(prefix):
        sys.exit(f"asked for {ref}, but this job makes {prefix}…")
    return ref[len(prefix):]


def read_rows(ref):
    try:
        with open(path_of(ref), newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        sys.exit(f"cannot read {ref}: {error}")


def write(ref, lines):
    """Writes the lines (bytes, each with its newline) as the partition's file, in one step."""
    path = path_of(ref)
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=".unfinished-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def write_table(ref, columns, rows):
    table = [columns] + [[row[column] for column in columns] for row in rows]
    write(ref, (",".join(map(str, line)).encode() + b"\n" for line in table))


def report_missing(refs):
    """Ends the run: it cannot make anything before these are there."""
    with open(os.environ["DATABUILD_MISSING"], "w", encoding="utf-8") as file:
        json.dump(refs, file)
    sys.exit(75)


def report(ref, count):
    """A line for people, a measurement for machines, and the manifest that stays with the data."""
    if "DATABUILD_MANIFEST" in os.environ:
        with open(os.environ["DATABUILD_MANIFEST"], "w", encoding="utf-8") as file:
            json.dump({"outputs": [ref], "metadata": {ref: f"{count} rows"}}, file)
    print(f"wrote {ref}: {count} rows", flush=True)
    print(json.dumps({"name": "rows_written", "value": count, "unit": "rows"}), flush=True)
