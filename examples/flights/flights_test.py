#!/usr/bin/env python3
"""Runs the example's jobs here, without a cluster, and compares what they write with expected.py.

    ./fetch.sh && python3 flights_test.py
"""

import datetime
import importlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile

sys.dont_write_bytecode = True  # the folder is also the image's build context
HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "scripts")
ARCHIVE = os.path.join(HERE, "data", "flights.csv.zip")


def days(first, count):
    start = datetime.date.fromisoformat(first)
    return [str(start + datetime.timedelta(days=n)) for n in range(count)]


def raw(date):
    return f"flights/raw/date={date}"


def delays(date):
    return f"flights/delays/date={date}"


class Volume:
    """A folder in place of the volume, and the runs that DataBuild would start on it."""

    def __init__(self, folder):
        self.root = os.path.join(folder, "data")
        self.data_set = os.path.join(folder, "flights.csv")
        self.lists = os.path.join(folder, "lists")
        os.makedirs(self.root)
        os.makedirs(self.lists)
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extract("flights.csv", folder)

    def environment(self, output, inputs):
        environment = dict(os.environ, FLIGHTS_ROOT=self.root, FLIGHTS_DATA_SET=self.data_set)
        for name, refs in (("OUTPUTS", [output]), ("INPUTS", inputs)):
            path = os.path.join(self.lists, name)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(refs, file)
            environment[f"DATABUILD_{name}_FILE"] = path
        for name in ("MANIFEST", "MISSING"):
            environment[f"DATABUILD_{name}"] = os.path.join(self.lists, name)
        return environment

    def handed_back(self, name):
        """What the last run left in DATABUILD_MANIFEST or DATABUILD_MISSING."""
        with open(os.path.join(self.lists, name), encoding="utf-8") as file:
            return json.load(file)

    def run(self, script, output, inputs=(), args=()):
        """One run as a process of its own, as in the container."""
        command = [sys.executable, os.path.join(SCRIPTS, script), *args]
        environment = self.environment(output, list(inputs))
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    def call(self, module, output, inputs=(), args=()):
        """The same in this process, for the many runs of a year."""
        os.environ.update(self.environment(output, list(inputs)))
        sys.argv = [module, *args]
        with open(os.devnull, "w", encoding="utf-8") as quiet:
            sys.stdout, kept = quiet, sys.stdout
            try:
                importlib.import_module(module).main()
            finally:
                sys.stdout = kept

    def compare(self, *options):
        command = [sys.executable, os.path.join(HERE, "expected.py")]
        command += ["--data-set", ARCHIVE, "--root", self.root, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def file(self, ref):
        return os.path.join(self.root, ref + ".csv")


class FlightsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.volume = Volume(folder.name)

    def must_run(self, *arguments, **keywords):
        done = self.volume.run(*arguments, **keywords)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def build_january(self):
        january = days("2013-01-01", 31)
        for date in january:
            self.must_run("extract.py", raw(date))
        for date in january:
            self.must_run("delays.py", delays(date), [raw(date)])
        for monday in ("2013-01-07", "2013-01-14", "2013-01-21"):
            week = [delays(date) for date in days(monday, 7)]
            self.must_run("rollup.py", f"flights/weekly/week={monday}", week, ["weekly"])
        month = [delays(date) for date in january]
        self.must_run("rollup.py", "flights/monthly/month=2013-01", month, ["monthly"])

    def test_january_agrees_with_the_data_set(self):
        self.build_january()
        compared = self.volume.compare("--month", "2013-01")
        self.assertEqual(compared.returncode, 0, compared.stdout)
        self.assertIn("66 of 66 files agree", compared.stdout)
        # What the publishers of the data set say about January.
        self.assertIn("27,004 flights of 16 carriers, 521 cancelled", compared.stdout)
        self.assertIn("mean arrival delay 6.13 minutes", compared.stdout)

    def test_a_changed_figure_and_a_missing_file_are_found(self):
        for date in ("2013-01-15", "2013-01-20"):
            self.must_run("extract.py", raw(date))
            self.must_run("delays.py", delays(date), [raw(date)])
        path = self.volume.file(delays("2013-01-15"))
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(",1,", ",2,", 1))
        os.unlink(self.volume.file(raw("2013-01-20")))
        refs = [make(date) for make in (raw, delays) for date in ("2013-01-15", "2013-01-20")]
        compared = self.volume.compare(*(option for ref in refs for option in ("--ref", ref)))
        self.assertEqual(compared.returncode, 1)
        self.assertIn("WRONG flights/delays/date=2013-01-15: line 2", compared.stdout)
        self.assertIn("WRONG flights/raw/date=2013-01-20: No such file", compared.stdout)
        self.assertIn("2 of 4 files agree", compared.stdout)

    def test_the_year_agrees_with_the_data_set(self):
        sys.path.insert(0, SCRIPTS)
        self.addCleanup(sys.path.remove, SCRIPTS)
        for date in days("2013-01-01", 365):
            self.volume.call("extract", raw(date))
            self.volume.call("delays", delays(date), [raw(date)])
        months = []
        for number in range(1, 13):
            month = f"2013-{number:02}"
            parts = [delays(date) for date in days("2013-01-01", 365) if date.startswith(month)]
            months.append(f"flights/monthly/month={month}")
            self.volume.call("rollup", months[-1], parts, ["monthly"])
        self.volume.call("rollup", "flights/yearly/year=2013", months, ["yearly"])
        compared = self.volume.compare("--year")
        self.assertEqual(compared.returncode, 0, compared.stdout)
        self.assertIn("flights/yearly/year=2013: 336,776 flights of 16", compared.stdout)

    def test_a_month_is_configured_by_the_image(self):
        done = self.must_run("rollup.py", "unused", args=["config", "flights/monthly/month=2012-02"])
        config, = json.loads(done.stdout)["configs"]
        self.assertEqual(config["outputs"], [{"str": "flights/monthly/month=2012-02"}])
        self.assertEqual(config["args"], ["monthly"])
        inputs = [item["partitionRef"]["str"] for item in config["inputs"]]
        self.assertEqual(inputs, [delays(date) for date in days("2012-02-01", 29)])

    def test_a_year_says_which_months_it_lacks(self):
        given = ["flights/monthly/month=2013-05"]
        done = self.volume.run("rollup.py", "flights/yearly/year=2013", given, ["yearly"])
        self.assertEqual(done.returncode, 75)
        missing = self.volume.handed_back("MISSING")
        self.assertEqual(len(missing), 11)
        self.assertNotIn(given[0], missing)

    def test_a_run_leaves_a_manifest_and_a_measurement(self):
        done = self.must_run("extract.py", raw("2013-01-05"))
        rows = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(rows["name"], "rows_written")
        manifest = self.volume.handed_back("MANIFEST")
        self.assertEqual(manifest["outputs"], [raw("2013-01-05")])
        self.assertEqual(manifest["metadata"], {raw("2013-01-05"): f"{rows['value']} rows"})

    def test_a_day_outside_the_data_set_is_refused_by_name(self):
        done = self.volume.run("extract.py", raw("2012-12-31"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no flight on 2012-12-31", done.stderr)
        self.assertFalse(os.path.exists(self.volume.file(raw("2012-12-31"))))

    def test_a_week_that_does_not_start_on_monday_is_refused(self):
        done = self.volume.run("rollup.py", "flights/weekly/week=2013-01-08", [], ["weekly"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("named after its Monday", done.stderr)

    def test_a_missing_input_file_names_the_partition(self):
        done = self.volume.run("delays.py", delays("2013-01-05"), [raw("2013-01-05")])
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot read flights/raw/date=2013-01-05", done.stderr)

    def test_running_again_replaces_the_file_and_leaves_nothing_beside_it(self):
        for _ in range(2):
            self.must_run("extract.py", raw("2013-01-05"))
        folder = os.path.dirname(self.volume.file(raw("2013-01-05")))
        self.assertEqual(os.listdir(folder), ["date=2013-01-05.csv"])


if __name__ == "__main__":
    unittest.main()
