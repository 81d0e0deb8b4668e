"""The table of delays, one row a carrier: counts that add up, and the mean that follows from them."""

import volume

COUNTS = ["days", "flights", "cancelled", "diverted", "arrived", "late", "delay_minutes"]
COLUMNS = ["carrier", *COUNTS, "mean_delay"]


def empty(carrier, days=0):
    return {"carrier": carrier, **dict.fromkeys(COUNTS, 0), "days": days}


def read(ref):
    return {
        row["carrier"]: {"carrier": row["carrier"], **{name: int(row[name]) for name in COUNTS}}
        for row in volume.read_rows(ref)
    }


def add(total, part):
    """Adds the figures of `part` to `total`, carrier by carrier."""
    for carrier, figure in part.items():
        sums = total.setdefault(carrier, empty(carrier))
        for name in COUNTS:
            sums[name] += figure[name]


def write(ref, carriers):
    rows = []
    for carrier in sorted(carriers):
        figure = carriers[carrier]
        arrived = figure["arrived"]
        mean = f"{figure['delay_minutes'] / arrived:.2f}" if arrived else ""
        rows.append({**figure, "mean_delay": mean})
    volume.write_table(ref, COLUMNS, rows)
    volume.report(ref, len(rows))
