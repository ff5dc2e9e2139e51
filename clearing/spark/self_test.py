#!/usr/bin/env python3
"""Makes a small store of two days with every way in which a bill and the books can differ, and what must be found in it.

    self_test.py FOLDER
    self_test.py --damage bytes|cut|gone|rows|unbalanced|outside STORE MANIFEST FILE

FOLDER/store is a cold store (its manifests, its files), FOLDER/bill-DATE.parquet are the bills of a channel, and
FOLDER/expected is what `run.py` must write. What is expected is said beside each case, not worked out from the files. With
--damage, a store that was made is damaged in one way, which must be noticed.
"""

import collections
import csv
import datetime
import hashlib
import json
import pathlib
import sys

import duckdb

from run import COLUMNS, TABLES

DAYS = ("2018-08-26", "2018-08-27")
FIRST, SECOND = DAYS
# Payments of each day in which nothing differs.
QUIET = 1_500
FEE = 6
NAMED = {name: [column.split()[0] for column in columns.split(",")] for name, columns in COLUMNS.items()}


def at(day, clock):
    """A time of the channel's day, which begins at 16:00 UTC of the day before."""
    local = datetime.datetime.fromisoformat(f"{day} {clock}")
    return (local - datetime.timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S+00")


class Story:
    """What happened on both sides, and what is expected of it."""

    def __init__(self):
        self.tables = {day: {table: [] for table in TABLES} for day in DAYS}
        self.bills = {day: [] for day in DAYS}
        self.expected = {day: [] for day in DAYS}
        self.matched = {day: collections.Counter() for day in DAYS}
        self.earned = {day: collections.defaultdict(collections.Counter) for day in DAYS}
        self.number = 0

    def add(self, day, table, **values):
        self.number += 1
        row = dict.fromkeys(NAMED[table])
        row |= {name: 0 for name in row if name.endswith("_minor")}
        row |= {"log_position": self.number * 64, "log_index": 0} | values
        self.tables[day][table].append({name: row[name] for name in NAMED[table]})

    def entry(self, day, subject, giver, taker, amount, reversal=False, **values):
        sides = (taker, giver) if reversal else (giver, taker)
        self.add(
            day, "entries", group_no=0, line=0, decided_at=at(day, "12:00"), subject=subject, from_account=sides[0],
            to_account=sides[1], amount_minor=amount, currency="CNY", reversal=reversal, **values,
        )
        for account, sign in ((taker, 1), (giver, -1)):
            owner, _, purse = account.removeprefix("merchant:").partition(":")
            if purse == "pending":
                self.earned[day][owner][subject] += -sign * amount if reversal else sign * amount

    def order(self, day, no, amount, merchant="1001", clock="12:00", txn=None, status="paid", channel="wechat", paid_at=None):
        """A payment of ours."""
        txn = f"T{no}" if txn is None else txn
        own = {"merchant_id": merchant, "order_no": no}
        paid = status not in ("created", "closed")
        self.add(
            day, "orders", decided_at=at(day, "23:59:59"), channel=channel, currency="CNY", status=status, amount_minor=amount,
            settled=False, gross=False, accounting_date=day if status != "created" else None, channel_txn=txn or None,
            paid_at=(paid_at or at(day, clock)) if paid else None, **own,
        )
        if paid:
            purse = f"merchant:{merchant}:pending"
            for subject, giver, taker, money in (
                (60, f"channel:{channel}", "operator", amount),
                (62, "operator", purse, amount),
                (63, purse, "operator", FEE),
            ):
                self.entry(day, subject, giver, taker, money, **own)
                if status == "voided":
                    self.entry(day, subject, giver, taker, money, reversal=True, **own)

    def refund(self, day, no, order, cash, state="succeeded", kind="refund", sent_as="refund", clock="13:00", booked=None, txn=None):
        """A refund or void of ours; with `booked`, one of an earlier date that something happened to on this one."""
        self.add(
            day, "refunds", decided_at=at(day, clock), kind=kind, merchant_id="1001", refund_no=no, order_no=order,
            channel="wechat", currency="CNY", state=state, sent_as=sent_as, attempts=1, amount_minor=cash, cash_minor=cash,
            accounting_date=booked or day, channel_refund_no=f"C{no}" if txn is None else txn or None, channel_txn=f"T{order}",
        )
        if kind == "refund" and booked is None:
            for subject, giver, taker in ((70, "merchant:1001:pending", "operator"), (74, "operator", "channel:wechat")):
                self.entry(day, subject, giver, taker, cash, merchant_id="1001", order_no=order, refund_no=no)
                if state == "failed":
                    self.entry(day, subject, giver, taker, cash, reversal=True, merchant_id="1001", order_no=order, refund_no=no)

    def void(self, day, order, amount):
        self.refund(day, f"V{order}", order, amount, kind="void", sent_as="void", txn="")

    def line(self, day, kind, order, amount, refund="", merchant="1001", clock="12:00", state="succeeded", txn=None, refund_txn=None, currency="CNY"):
        """A line of the channel's bill."""
        self.bills[day].append({
            "file": 0, "line": len(self.bills[day]) + 2, "kind": kind, "state": state, "time": at(day, clock),
            "sub_merchant": merchant, "channel_txn": f"T{order}" if txn is None else txn, "order_no": order,
            "channel_refund_no": (f"C{refund}" if refund else "") if refund_txn is None else refund_txn, "refund_no": refund,
            "currency": currency, "amount_minor": amount, "fee_millionths": 0,
        })

    def paid(self, day, no, amount, **values):
        """A payment that both have."""
        self.order(day, no, amount, **values)
        self.line(day, "payment", no, amount, merchant=values.get("merchant", "1001"), clock=values.get("clock", "12:00"))
        self.agree(day, amount, merchant=values.get("merchant", "1001"))

    def agree(self, day, amount, kind="payment", merchant="1001"):
        self.matched[day][kind, "CNY", merchant, "items"] += 1
        self.matched[day][kind, "CNY", merchant, "amount"] += amount

    def differ(self, day, outcome, ours, bill, order, refund="", kind=None, merchant="1001", txn=None):
        kind = kind or ("refund" if refund else "payment")
        txn = f"T{order}" if txn is None else txn
        self.expected[day].append((*outcome.split("/"), kind, merchant, order, refund, txn, "CNY", ours, bill))


def payments_that_differ(story):
    story.order(FIRST, "amount", 100)
    story.line(FIRST, "payment", "amount", 101)
    story.differ(FIRST, "amount_differs/amount", 100, 101, "amount")
    story.order(FIRST, "currency", 100)
    story.line(FIRST, "payment", "currency", 100, currency="USD")
    story.differ(FIRST, "amount_differs/currency", 100, 100, "currency")
    story.order(FIRST, "missing", 300)
    story.differ(FIRST, "short/missing_in_bill", 300, "", "missing")
    story.line(FIRST, "payment", "unknown", 400)
    story.differ(FIRST, "long/missing_in_books", "", 400, "unknown")
    story.paid(FIRST, "twice", 500)
    story.line(FIRST, "payment", "twice", 500)
    story.differ(FIRST, "long/duplicate_line", "", 500, "twice")
    story.order(FIRST, "failed-there", 600)
    story.line(FIRST, "payment", "failed-there", 600, state="failed")
    story.differ(FIRST, "status_differs/state", 600, 600, "failed-there")
    # What is no payment of this channel, or none yet.
    story.order(FIRST, "elsewhere", 700, channel="alipay")
    story.order(FIRST, "created", 700, status="created")
    story.order(FIRST, "closed", 700, status="closed")
    # Open for a day, then the bill has it; and then the books do.
    story.order(FIRST, "found-later", 800)
    story.differ(FIRST, "short/missing_in_bill", 800, "", "found-later")
    story.line(SECOND, "payment", "found-later", 800)
    story.agree(SECOND, 800)
    story.line(FIRST, "payment", "booked-later", 900)
    story.differ(FIRST, "long/missing_in_books", "", 900, "booked-later")
    story.order(SECOND, "booked-later", 900)
    story.agree(SECOND, 900)


def payments_near_the_cut(story):
    story.order(FIRST, "late", 100, clock="23:55")
    story.differ(FIRST, "carried/near_cut", 100, "", "late")
    story.line(SECOND, "payment", "late", 100, clock="00:01")
    story.agree(SECOND, 100)
    story.line(FIRST, "payment", "late-there", 200, clock="23:58")
    story.differ(FIRST, "carried/near_cut", "", 200, "late-there")
    story.order(SECOND, "late-there", 200, clock="00:02")
    story.agree(SECOND, 200)
    story.order(FIRST, "early", 300, clock="00:03")
    story.differ(FIRST, "carried/near_cut", 300, "", "early")
    story.differ(SECOND, "short/missing_in_bill", 300, "", "early")
    story.line(FIRST, "payment", "early-there", 400, clock="00:09:59")
    story.differ(FIRST, "carried/near_cut", "", 400, "early-there")
    story.differ(SECOND, "long/missing_in_books", "", 400, "early-there")
    story.order(FIRST, "just-inside", 500, clock="00:10")
    story.differ(FIRST, "short/missing_in_bill", 500, "", "just-inside")
    # Paid days ago, closed by then, reinstated on this date: the bill of that day had it.
    story.order(FIRST, "reinstated", 600, paid_at=at("2018-08-24", "12:00"))
    own = {"merchant_id": "1001", "order_no": "reinstated"}
    story.entry(FIRST, 60, "channel:wechat", "suspense", 600, reversal=True, **own)


def numbers(story):
    story.order(FIRST, "no-txn", 100, txn="")
    story.line(FIRST, "payment", "no-txn", 100)
    story.agree(FIRST, 100)
    # Two merchants' number, in a bill that names neither: the amount tells them apart, or nothing does.
    for merchant, amount in (("1001", 200), ("1002", 201)):
        story.order(FIRST, "shared", amount, merchant=merchant, txn="")
        story.line(FIRST, "payment", "shared", amount, merchant="", txn="")
        story.agree(FIRST, amount, merchant=merchant)
    for merchant in ("1001", "1002"):
        story.order(FIRST, "alike", 300, merchant=merchant, txn="")
        story.differ(FIRST, "short/missing_in_bill", 300, "", "alike", merchant=merchant, txn="")
    story.line(FIRST, "payment", "alike", 300, merchant="", txn="")
    story.differ(FIRST, "long/ambiguous", "", 300, "alike", merchant="", txn="")
    # The channel's number is one order's and our number another's.
    story.order(FIRST, "left", 400)
    story.order(FIRST, "right", 400)
    story.line(FIRST, "payment", "right", 400, txn="Tleft")
    story.differ(FIRST, "status_differs/numbers_contradict", 400, 400, "left")
    story.differ(FIRST, "short/missing_in_bill", 400, "", "right")
    story.line(FIRST, "payment", "other", 500, txn="Tsure")
    story.paid(FIRST, "sure", 500)
    story.differ(FIRST, "long/duplicate_line", "", 500, "other", txn="Tsure")
    story.order(FIRST, "not-hers", 700)
    story.line(FIRST, "payment", "not-hers", 700, merchant="1002")
    story.differ(FIRST, "status_differs/numbers_contradict", 700, 700, "not-hers")
    # The same, by our number: the channel's is of nobody.
    story.paid(FIRST, "ours", 600)
    story.line(FIRST, "payment", "ours", 600, txn="Tnobody")
    story.differ(FIRST, "long/missing_in_books", "", 600, "ours", txn="Tnobody")


def refunds_that_differ(story):
    story.paid(FIRST, "base", 9_000)

    def case(no, cash, ours, bill=None, outcome=None, day=FIRST):
        if ours:
            story.refund(day, no, "base", cash, state=ours)
        if bill:
            story.line(day, "refund", "base", cash, refund=no, state=bill, clock="13:00")
        if outcome:
            story.differ(day, outcome, cash if ours else "", cash if bill else "", "base", no)
        elif ours and bill:
            story.agree(day, cash if ours == "succeeded" else 0, "refund")

    case("R-both", 10, "succeeded", "succeeded")
    case("R-no-cash", 0, "succeeded")
    case("R-failed", 11, "failed")
    story.refund(FIRST, "R-known", "base", 8, booked="2018-08-25")
    case("R-both-failed", 12, "failed", "failed")
    case("R-abnormal", 13, "succeeded", "abnormal", "status_differs/state")
    case("R-long", 14, None, "succeeded", "long/missing_in_books")
    case("R-short", 15, "succeeded", None, "short/missing_in_bill")
    # Said to have failed, and a day later to have been done.
    case("R-after-all", 16, "succeeded", "failed", "status_differs/state")
    story.line(SECOND, "refund", "base", 16, refund="R-after-all", clock="13:00")
    story.agree(SECOND, 16, "refund")
    # Done there, not known here; then it is.
    case("R-result", 17, "processing", "succeeded", "status_differs/state")
    story.refund(SECOND, "R-result", "base", 17, booked=FIRST)
    story.agree(SECOND, 17, "refund")
    # On its way on both sides; no bill says it again, but our result comes.
    case("R-on-its-way", 18, "processing", "processing", "carried/in_flight")
    story.refund(SECOND, "R-on-its-way", "base", 18, booked=FIRST)
    story.agree(SECOND, 18, "refund")
    case("R-next-bill", 19, "processing", None, "carried/in_flight")
    story.refund(SECOND, "R-next-bill", "base", 19, booked=FIRST)
    story.line(SECOND, "refund", "base", 19, refund="R-next-bill", clock="13:00")
    story.agree(SECOND, 19, "refund")
    case("R-held", 20, "held", None, "carried/in_flight")
    story.differ(SECOND, "carried/in_flight", 20, "", "base", "R-held")
    case("R-then-failed", 21, "held", None, "carried/in_flight")
    story.refund(SECOND, "R-then-failed", "base", 21, state="failed", booked=FIRST)
    story.agree(SECOND, 0, "refund")


def voids(story):
    story.order(FIRST, "revoked", 100, status="voided")
    story.void(FIRST, "revoked", 100)
    story.line(FIRST, "void", "revoked", 100)
    story.order(FIRST, "both-lines", 200, status="voided")
    story.void(FIRST, "both-lines", 200)
    story.line(FIRST, "payment", "both-lines", 200)
    story.line(FIRST, "void", "both-lines", 200, clock="12:30")
    for amount in (100, 200):
        story.agree(FIRST, amount)
        story.agree(FIRST, amount, "void")
    story.order(FIRST, "not-revoked", 300, status="voided")
    story.void(FIRST, "not-revoked", 300)
    story.line(FIRST, "payment", "not-revoked", 300)
    story.agree(FIRST, 300)
    story.differ(FIRST, "short/voided_not_revoked", 300, "", "not-revoked", "Vnot-revoked", kind="void")
    story.order(FIRST, "revoked-there", 400)
    story.line(FIRST, "void", "revoked-there", 400)
    story.differ(FIRST, "status_differs/revoked_not_voided", 400, 400, "revoked-there")
    story.paid(FIRST, "paid-and-revoked", 500)
    story.line(FIRST, "void", "paid-and-revoked", 500)
    story.differ(FIRST, "long/missing_in_books", "", 500, "paid-and-revoked", kind="void")
    # Failed the first time, and the channel tells of both.
    story.order(FIRST, "tried-twice", 700, status="voided")
    story.line(FIRST, "payment", "tried-twice", 700)
    story.agree(FIRST, 700)
    for number, state, amount in (("V-1", "failed", 0), ("V-2", "succeeded", 700)):
        story.refund(FIRST, number, "tried-twice", 700, state=state, kind="void", sent_as="void", txn="")
        story.line(FIRST, "void", "tried-twice", 700, refund=number, state=state)
        story.agree(FIRST, amount, "void")
    # A refund that was sent as a void, and stands in the bill as one.
    story.paid(FIRST, "sent-as-void", 600)
    story.refund(FIRST, "R-as-void", "sent-as-void", 600, sent_as="void", txn="")
    story.line(FIRST, "void", "sent-as-void", 600, refund="R-as-void")
    story.agree(FIRST, 600, "refund")


def quiet_payments(story):
    for day in DAYS:
        for at_number in range(QUIET):
            merchant = str(1001 + at_number % 40)
            story.paid(day, f"{day}-{at_number}", 1_000 + at_number, merchant=merchant, clock=f"{8 + at_number % 12:02}:{at_number % 60:02}")


def settle_and_close(story):
    """A settlement on the second day, and balances that go with the entries."""
    due = {owner: sum(subjects.values()) for owner, subjects in story.earned[FIRST].items()}
    for owner, amount in sorted(due.items()):
        story.entry(SECOND, 85, f"merchant:{owner}:pending", f"merchant:{owner}:available", amount, merchant_id=owner, reference="S-1")
        story.add(SECOND, "settlements", decided_at=at(SECOND, "00:30"), batch_no="S-1", merchant_id=owner, currency="CNY", amount_minor=amount)
    owners = sorted(set(due) | set(story.earned[SECOND]))
    opening = collections.Counter()
    for day in DAYS:
        moved = {way: collections.Counter() for way in ("from_account", "to_account")}
        for entry in story.tables[day]["entries"]:
            for way, sums in moved.items():
                sums[entry[way]] += entry["amount_minor"]
        for account in sorted(set(opening) | set(moved["from_account"]) | set(moved["to_account"])):
            taken, given = moved["to_account"][account], moved["from_account"][account]
            owner = account.split(":")[1] if account.startswith("merchant:") else None
            story.add(
                day, "balances", account=account, merchant_id=owner, currency="CNY", opening_minor=opening[account],
                in_minor=taken, out_minor=given, closing_minor=opening[account] + taken - given,
            )
            opening[account] += taken - given
        for owner in owners:
            story.add(day, "merchants", merchant_id=owner, name=f"Shop {owner}", currency="CNY", status="active", mode="net", cycle="T+1")
    return {"S-1": (len(due), sum(due.values()))}


def write_parquet(rows, columns, path):
    """Rows as a file of their table, by way of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.with_suffix(".jsonl")
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kinds = {"STRING": "VARCHAR", "TIMESTAMP": "TIMESTAMPTZ"}
    typed = (column.split() for column in columns.split(","))
    typed = ", ".join(f"{name}: '{kinds.get(kind, kind)}'" for name, kind in typed)
    duckdb.execute(f"COPY (SELECT * FROM read_json('{lines}', format = 'nd', columns = {{{typed}}})) TO '{path}' (COMPRESSION zstd)")
    lines.unlink()


def write_store(story, folder):
    previous = None
    for day in DAYS:
        files = []
        for table, rows in story.tables[day].items():
            for shard in range(2):
                part = [row for row in rows if row["log_position"] // 64 % 2 == shard]
                if not part:
                    continue
                path = f"{table}/date={day}/shard={shard}/{table}-{shard}.parquet"
                write_parquet(part, COLUMNS[table], folder / path)
                data = (folder / path).read_bytes()
                files.append({
                    "table": table, "shard": shard, "path": path, "bytes": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(), "rows": len(part),
                })
        manifest = {
            "format": 1, "date": day, "previous": previous, "opened_at": None, "shards": 2, "files": files,
            "cut_at": at(day, "23:59:59").replace(" ", "T") + ":00", "channels": [{"name": "wechat", "timezone": "Asia/Shanghai"}],
        }
        (folder / "manifests").mkdir(exist_ok=True)
        (folder / "manifests" / f"{day}.json").write_text(json.dumps(manifest, indent=1))
        previous = day


def write_expected(story, batches, folder):
    def put(name, header, rows):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header.split())
            writer.writerows(rows)

    folder.mkdir(parents=True, exist_ok=True)
    opening = collections.Counter()
    for day in DAYS:
        put(f"{day}-proofs", "proof", [])
        put(f"{day}-differences", "class reason kind merchant_id order_no refund_no channel_txn currency ours_minor bill_minor", story.expected[day])
        matched = {key[:3] for key in story.matched[day]}
        put(f"{day}-matched", "kind currency merchant_id items amount_minor",
            [(*key, story.matched[day][*key, "items"], story.matched[day][*key, "amount"]) for key in matched])
        settled = batches if day == SECOND else {}
        put(f"{day}-settlement_totals", "batch_no currency merchants amount_minor booked_merchants booked_minor",
            [(batch, "CNY", *sums, *sums) for batch, sums in settled.items()])
        rows = []
        for owner in sorted({owner for one in DAYS for owner in story.earned[one]}):
            by = story.earned[day][owner]
            pending = opening[owner] + sum(by.values())
            if by or opening[owner]:
                rows.append((owner, "CNY", by[62], -by[70], -by[63], by[62] + by[63] + by[70], -by[85], opening[owner], pending))
            opening[owner] = pending
        put(f"{day}-merchant_totals", "merchant_id currency gross_minor refunds_minor fees_minor net_minor settled_minor "
            "pending_opening_minor pending_closing_minor", rows)
        booked = sum(entry["amount_minor"] for entry in story.tables[day]["entries"])
        put(f"{day}-trial_balance", "currency opening_minor in_minor out_minor closing_minor", [("CNY", 0, booked, booked, 0)])


def damage(how, store, name, path):
    """Damages one file of entries, or what the manifest says of it; the paths are within the store."""
    file, manifest = store / path, json.loads((store / name).read_text())
    (facts,) = (facts for facts in manifest["files"] if facts["path"] == path)
    data = bytearray(file.read_bytes())
    if how == "bytes":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif how == "cut":
        file.write_bytes(data[:-100])
    elif how == "gone":
        file.unlink()
    elif how == "rows":
        facts["rows"] += 1
    elif how == "outside":
        facts["path"] = f"../{store.name}/{path}"
    else:
        duckdb.execute(
            f"COPY (SELECT * REPLACE (amount_minor + CASE WHEN row_number() OVER () = 1 THEN 1 ELSE 0 END AS amount_minor) "
            f"FROM read_parquet('{file}')) TO '{file}.new' (FORMAT parquet)"
        )
        file.with_suffix(".parquet.new").replace(file)
        data = file.read_bytes()
        facts |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (store / name).write_text(json.dumps(manifest))


def main():
    if sys.argv[1] == "--damage":
        how, store, name, path = sys.argv[2:]
        return damage(how, pathlib.Path(store), name, path)
    folder = pathlib.Path(sys.argv[1])
    story = Story()
    for cases in (payments_that_differ, payments_near_the_cut, numbers, refunds_that_differ, voids, quiet_payments):
        cases(story)
    batches = settle_and_close(story)
    write_store(story, folder / "store")
    for day in DAYS:
        write_parquet(story.bills[day], COLUMNS["bill"], folder / f"bill-{day}.parquet")
    write_expected(story, batches, folder / "expected")
    rows = sum(len(rows) for day in DAYS for rows in story.tables[day].values())
    print(f"{rows} rows, {sum(map(len, story.bills.values()))} lines, {sum(map(len, story.expected.values()))} differences")


if __name__ == "__main__":
    main()
