"""Jobs that print lines with numbers, and the proof that none of them was lost in silence."""

import collections

from support.alone import quick_job
from support.waiting import eventually

LINES = 2_000
LIFE = 5  # seconds between ready and the kill
# A hundred lines at a time, each tenth a measurement; at the end the manifest.
PRINTER = f"""
i=0
while [ $i -lt {LINES} ]; do
  i=$((i + 1))
  if [ $((i % 10)) = 0 ]; then echo "{{\\"name\\": \\"rows\\", \\"value\\": $i}}"
  else echo "line $i of the job"; fi
  if [ $((i % 100)) = 0 ]; then sleep 0.3; fi
done
echo '{{"metadata": {{"lines": "{LINES}"}}}}' > "$DATABUILD_MANIFEST"
"""


def printer(name, output, script=PRINTER):
    job = quick_job(name, output)
    job["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", script]
    return job


def number_of(entry):
    """Which line of PRINTER an entry is; None: none of them."""
    if entry.get("log", {}).get("fields", {}).get("stream") == "stdout":
        return int(entry["log"]["message"].split()[1])
    if "metric" in entry:
        return int(entry["metric"]["value"])
    return None


def numbers(gaps):
    """The sequence numbers that gaps name; a gap without an end ends them."""
    return {sequence for gap in gaps if int(gap.get("last_sequence", 0))
            for sequence in range(int(gap["first_sequence"]), int(gap["last_sequence"]) + 1)}


class LogProof:
    """For test cases. api: of the graph."""

    def finished_log(self, api, run_id):
        return eventually(f"the log of {run_id} is finished", lambda: api.log(run_id, limit=1000), 60)

    def prove_logs(self, api, run_ids):
        """Of runs of PRINTER: every line is readable in order; what were lost is named, and counted."""
        lost, reasons = 0, collections.Counter()
        for run_id in run_ids:
            lines, page = self.finished_log(api, run_id)
            lost += self._prove(run_id, lines, page)
            reasons[page["incomplete_reason"] or "Complete"] += 1
        print(f"    {len(run_ids)} runs of {LINES} lines: {lost} lines lost; {dict(reasons)}", flush=True)
        self.assertEqual(lost, 0)

    def _prove(self, run_id, lines, page):
        """How many lines are lost; that the answer names exactly those is asserted."""
        sequences = [int(entry["sequence_number"]) for entry in lines]
        self.assertEqual(sequences, sorted(set(sequences)), run_id)
        self.assertTrue(all(entry["job_id"] == run_id for entry in lines))
        absent = set(range(1, max(sequences, default=0) + 1)) - set(sequences)
        self.assertEqual(numbers(page["gaps"]), absent, run_id)
        self.assertEqual(page["logs_complete"], not page["gaps"], page["incomplete_reason"])
        printed = [number for number in map(number_of, lines) if number is not None]
        if page["logs_complete"]:
            self.assertEqual(printed, list(range(1, LINES + 1)), run_id)
            self.assertIn("manifest", lines[-1])
        else:
            self.assertEqual(printed, sorted(printed), run_id)
        return LINES - len(printed)
