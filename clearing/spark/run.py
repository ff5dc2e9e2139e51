#!/usr/bin/env python3
"""Runs the SQL beside it over days of the cold store, in Spark or in DuckDB, and writes what it gives as CSV.

    run.py [--engine spark|duckdb] --out FOLDER [--channel wechat --bill 2018-08-26=FILE.parquet ...] MANIFEST...

A manifest says which files a day has and what is in them; the driver checks their sizes, SHA-256 and rows before it believes
any. The rest is the engine's: both run the same text, and what they share is only the names of the views that it reads. With
`--expect FILE` (named as one written to --out, or a folder of such) the rows must be those of the file, whatever their order.

Exit code: 0 all as it should be; 1 something does not add up or is not as expected; 2 the input is not what it should be.
"""

import argparse
import csv
import datetime
import hashlib
import json
import os
import pathlib
import re
import sys
import zoneinfo

HERE = pathlib.Path(__file__).resolve().parent
FORMAT = 1
# A day cut further from midnight than this says nothing of the bill's day.
CUT_REACH = datetime.timedelta(hours=3)
# As long is something open looked for.
WATCH = datetime.timedelta(days=396)

# The columns of version 1, for a table that a day has no rows of. `?` may be null.
COLUMNS = {
    "orders": """log_position BIGINT, log_index INTEGER, decided_at TIMESTAMP, merchant_id STRING, order_no STRING,
        channel STRING, currency STRING, status STRING, amount_minor BIGINT, payable_minor BIGINT, fee_minor BIGINT,
        platform_fee_minor BIGINT, channel_cost_minor BIGINT, net_minor BIGINT, refundable_minor BIGINT,
        refunded_minor BIGINT, in_flight_minor BIGINT, held_minor BIGINT, operator_discount_minor BIGINT,
        merchant_discount_minor BIGINT, platform_discount_minor BIGINT, advance_fee_minor BIGINT, settled BOOLEAN,
        gross BOOLEAN, platform_id STRING, promoter_id STRING, accounting_date DATE, paid_at TIMESTAMP,
        channel_txn STRING""",
    "refunds": """log_position BIGINT, log_index INTEGER, decided_at TIMESTAMP, kind STRING, merchant_id STRING,
        refund_no STRING, order_no STRING, channel STRING, currency STRING, state STRING, sent_as STRING,
        attempts INTEGER, amount_minor BIGINT, cash_minor BIGINT, discount_minor BIGINT, fee_returned_minor BIGINT,
        platform_fee_returned_minor BIGINT, cost_returned_minor BIGINT, merchant_debit_minor BIGINT,
        from_pending_minor BIGINT, from_held_minor BIGINT, from_available_minor BIGINT, accounting_date DATE,
        channel_refund_no STRING, channel_txn STRING""",
    "entries": """log_position BIGINT, log_index INTEGER, group_no INTEGER, line INTEGER, decided_at TIMESTAMP,
        merchant_id STRING, subject INTEGER, from_account STRING, to_account STRING, amount_minor BIGINT,
        currency STRING, order_no STRING, refund_no STRING, reference STRING, reversal BOOLEAN""",
    "balances": """log_position BIGINT, account STRING, merchant_id STRING, currency STRING, opening_minor BIGINT,
        in_minor BIGINT, out_minor BIGINT, closing_minor BIGINT""",
    "settlements": """log_position BIGINT, log_index INTEGER, decided_at TIMESTAMP, batch_no STRING,
        merchant_id STRING, currency STRING, amount_minor BIGINT""",
    "merchants": """log_position BIGINT, merchant_id STRING, name STRING, currency STRING, status STRING,
        platform_id STRING, mode STRING, cycle STRING""",
    "bill": """file INTEGER, line BIGINT, kind STRING, state STRING, time TIMESTAMP, sub_merchant STRING,
        channel_txn STRING, order_no STRING, channel_refund_no STRING, refund_no STRING, currency STRING,
        amount_minor BIGINT, fee_millionths BIGINT""",
    "earlier_items": """earlier_class STRING, earlier_reason STRING, first_date DATE, earlier_state STRING,
        earlier_minor BIGINT, earlier_currency STRING, kind STRING, number_space STRING, state STRING, is_void BOOLEAN,
        merchant_id STRING, order_no STRING, refund_no STRING, own_no STRING, channel_no STRING, channel_txn STRING,
        amount_minor BIGINT, currency STRING, happened_at TIMESTAMP, accounting_date DATE, log_position BIGINT,
        log_index INTEGER""",
    "earlier_lines": """origin STRING, first_date DATE, bill_date DATE, file INTEGER, line BIGINT, kind STRING,
        state STRING, happened_at TIMESTAMP, sub_merchant STRING, channel_txn STRING, order_no STRING,
        channel_refund_no STRING, refund_no STRING, currency STRING, amount_minor BIGINT""",
}
TABLES = ("orders", "refunds", "entries", "balances", "settlements", "merchants")
# What is worked out, in the order in which one reads the other, and what of it is written.
TOTALS = ("settlement_totals", "merchant_totals", "trial_balance", "proofs")
RECONCILIATION = ("items", "lines", "candidates", "found", "pairs", "reconciliation", "differences", "matched", "classes")
WRITTEN = (*TOTALS, "differences", "matched", "classes")


class Refused(Exception):
    """The input is not what it should be; says where, and what to do."""


def none_of(table):
    """SQL for a table without rows."""
    columns = (column.split() for column in COLUMNS[table].split(","))
    casts = (f"CAST(NULL AS {'VARCHAR(128)' if kind == 'STRING' else kind}) AS {name}" for name, kind in columns)
    return f"SELECT * FROM (SELECT {', '.join(casts)}) AS none WHERE 1 = 0"


class DuckDb:
    """In this process."""

    def __init__(self, _options):
        import duckdb

        self.session = duckdb.connect()
        self.session.execute("SET TimeZone = 'UTC'")
        self.kept = 0

    def read(self, name, files):
        names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        self.session.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([{names}])")

    def keep(self, name, sql):
        self.kept += 1
        self.session.execute(f"CREATE TEMP TABLE kept_{self.kept} AS {sql}")
        self.session.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM kept_{self.kept}")

    def rows(self, sql):
        found = self.session.execute(sql)
        return [column[0] for column in found.description], found.fetchall()

    def stop(self):
        self.session.close()


class Spark:
    """In a cluster: by default one of two workers, each its own process, on this machine's loopback."""

    def __init__(self, options):
        import pyspark

        os.environ.setdefault("SPARK_HOME", os.path.dirname(pyspark.__file__))
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = pyspark.sql.SparkSession.builder.appName("suanpan").master(options.master)
        for key, value in {
            "spark.sql.ansi.enabled": "true",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "2",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            **dict(pair.split("=", 1) for pair in options.conf),
        }.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()

    def read(self, name, files):
        self.session.read.parquet(*(str(file) for file in files)).createOrReplaceTempView(name)

    def keep(self, name, sql):
        self.session.sql(sql).localCheckpoint().createOrReplaceTempView(name)

    def rows(self, sql):
        found = self.session.sql(sql)
        return found.columns, [tuple(row) for row in found.collect()]

    def workers(self):
        return self.session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1

    def stop(self):
        self.session.stop()


def sha256_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked_files(path, manifest):
    """The files of each table, none of which is other than the manifest says."""
    root = path.resolve().parent.parent
    files = {table: [] for table in TABLES}
    for file in manifest["files"]:
        found = root / file["path"]
        if not re.fullmatch(r"[^/]+(/[^/]+)*", file["path"]) or ".." in file["path"].split("/"):
            raise Refused(f"{path}: {file['path']!r} is no place in a store")
        if not found.is_file():
            raise Refused(f"{found}: {path} names it and it is not there; restore it from a backup")
        for what, has, said in (
            ("bytes", found.stat().st_size, file["bytes"]),
            ("SHA-256", sha256_of(found), file["sha256"]),
        ):
            if has != said:
                raise Refused(f"{found}: its {what} is {has}, and {path} says {said}; restore it from a backup")
        files[file["table"]].append(found)
    return files


def load(path):
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}") from error
    if manifest.get("format") != FORMAT:
        raise Refused(f"{path}: format {manifest.get('format')}, and this reads {FORMAT}")
    return manifest


def show(engine, path, manifest):
    """Makes the day's tables known to the engine, and checks that they have the rows that the manifest says."""
    for table, files in checked_files(path, manifest).items():
        if files:
            engine.read(table, files)
        else:
            engine.keep(table, none_of(table))
        ((found,),) = engine.rows(f"SELECT COUNT(*) AS found FROM {table}")[1]
        said = sum(file["rows"] for file in manifest["files"] if file["table"] == table)
        if found != said:
            raise Refused(f"{path}: {table} has {found} rows, and it says {said}; restore it from a backup")


def moment(text):
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)


def params(manifest, options, previous):
    """One row of what a reconciliation is of: the channel, the date, and what is near enough to the day's ends to be carried."""
    known = {channel["name"]: channel["timezone"] for channel in manifest["channels"]}
    if options.channel not in known:
        raise Refused(f"{options.channel} is no channel of {manifest['date']}: it has {', '.join(known)}")
    zone = zoneinfo.ZoneInfo(known[options.channel])
    date = datetime.date.fromisoformat(manifest["date"])
    midnights = [
        datetime.datetime.combine(day, datetime.time(), zone).astimezone(datetime.UTC)
        for day in (date, date + datetime.timedelta(days=1))
    ]
    window = datetime.timedelta(minutes=options.window_minutes)
    cuts = [
        moment(at) if at and abs(moment(at) - midnight) <= CUT_REACH else midnight
        for at, midnight in zip((manifest["opened_at"], manifest["cut_at"]), midnights)
    ]
    is_next_day = previous in (None, manifest["previous"])
    values = {
        "channel": f"'{options.channel}'",
        "business_date": f"DATE '{date}'",
        "inside_from": literal(max(cuts[0], midnights[0] + window)),
        "inside_to": literal(min(cuts[1], midnights[1] - window)),
        "before_day": literal(midnights[0] - CUT_REACH),
        "is_next_day": str(is_next_day).upper(),
        "watched_since": f"DATE '{date - WATCH}'",
    }
    return "SELECT " + ", ".join(f"{value} AS {name}" for name, value in values.items())


def literal(at):
    return f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S}.{at.microsecond:06}'"


def sql(name):
    return (HERE / f"{name}.sql").read_text()


def text_of(value):
    return "" if value is None else str(value)


def write(folder, name, columns, rows):
    """Writes rows as CSV, sorted as text, so that two engines write the same file."""
    rows = sorted(tuple(map(text_of, row)) for row in rows)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return rows


def run_day(engine, manifest, options, bills, previous):
    """Works out what there is to know of a day that the engine was shown, and writes it; whether all of it adds up."""
    date = manifest["date"]
    names = list(TOTALS)
    if date in bills:
        engine.keep("params", params(manifest, options, previous))
        engine.read("bill", bills[date])
        names += RECONCILIATION
    sound = True
    for name in names:
        engine.keep(name, sql(name))
        if name in WRITTEN:
            rows = write(options.out, f"{date}-{name}", *engine.rows(f"SELECT * FROM {name}"))
            if name == "proofs":
                sound = not rows
                for row in rows:
                    print(f"{date}: {' '.join(row)}: does not add up", file=sys.stderr)
    if date in bills:
        for name in ("earlier_items", "earlier_lines"):
            engine.keep(name, sql(name))
    return sound


def is_as_expected(expected, out):
    """Compares by the columns that the expected file has; what only one of the two has is told, at most ten rows of it."""
    found = out / expected.name
    if not found.is_file():
        raise Refused(f"{expected}: nothing of that name was written to {out}")
    with expected.open(newline="", encoding="utf-8") as file:
        columns, *said = csv.reader(file)
    with found.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and not set(columns) <= set(rows[0]):
        raise Refused(f"{expected}: no column {', '.join(sorted(set(columns) - set(rows[0])))} was written; it has {', '.join(rows[0])}")
    has = sorted([row[column] for column in columns] for row in rows)
    said.sort()
    if has == said:
        return True
    for sign, rows, others in (("-", said, has), ("+", has, said)):
        others = list(others)
        only = [row for row in rows if row not in others or others.remove(row)]
        for row in only[:10]:
            print(f"{expected.name}: {sign} {','.join(row)}", file=sys.stderr)
        print(f"{expected.name}: {len(only)} rows are only {'expected' if sign == '-' else 'found'}", file=sys.stderr)
    return False


def asked():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", nargs="+", type=pathlib.Path, help="a day's manifest, in its store")
    parser.add_argument("--engine", choices=("spark", "duckdb"), default="spark")
    parser.add_argument("--master", default="local-cluster[2,1,1024]", help="Spark's; two workers here by default")
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark's; again for more")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a folder for what is written")
    parser.add_argument("--channel", help="whose bills they are")
    parser.add_argument("--bill", action="append", default=[], metavar="DATE=FILE", help="a date's bill, as Parquet; again for more")
    parser.add_argument("--window-minutes", type=int, default=10, help="as near to midnight something is carried")
    parser.add_argument("--expect", action="append", default=[], type=pathlib.Path, help="a CSV file to compare with, or a folder")
    options = parser.parse_args()
    if bool(options.bill) != bool(options.channel):
        parser.error("--channel and --bill go together")
    if options.channel and not re.fullmatch(r"[A-Za-z0-9_-]+", options.channel):
        parser.error(f"{options.channel} is no name of a channel")
    return options


def bills_of(options):
    bills = {}
    for bill in options.bill:
        date, _, file = bill.partition("=")
        if not pathlib.Path(file).is_file():
            raise Refused(f"{file}: it is not there")
        bills.setdefault(date, []).append(file)
    return bills


def run(options):
    manifests = sorted(((load(path), path) for path in options.manifest), key=lambda day: day[0]["date"])
    bills = bills_of(options)
    unknown = sorted(set(bills) - {manifest["date"] for manifest, _ in manifests})
    if unknown:
        raise Refused(f"there is a bill of {unknown[0]} and no manifest of it")
    options.out.mkdir(parents=True, exist_ok=True)
    engine = Spark(options) if options.engine == "spark" else DuckDb(options)
    sound, previous = True, None
    try:
        for name in ("earlier_items", "earlier_lines"):
            engine.keep(name, none_of(name))
        for manifest, path in manifests:
            show(engine, path, manifest)
            sound &= run_day(engine, manifest, options, bills, previous)
            if manifest["date"] in bills:
                previous = manifest["date"]
        if options.engine == "spark":
            print(f"Spark {engine.session.version} on {options.master}: {engine.workers()} workers", file=sys.stderr)
    finally:
        engine.stop()
    expected = [file for path in options.expect for file in (sorted(path.glob("*.csv")) if path.is_dir() else [path])]
    for file in expected:
        sound &= is_as_expected(file, options.out)
    print(f"{options.engine}: {len(manifests)} days, {len(expected)} files compared: {'as it should be' if sound else 'NOT as it should be'}")
    return 0 if sound else 1


def main():
    try:
        return run(asked())
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
