#!/usr/bin/env python3
"""What `run.py` must find in a store, from what `suanpan` wrote of it: its own figures, in the form that can be compared.

    expected.py STORE --papers FOLDER --out FOLDER [--channel wechat]

PAPERS/DATE/statements has the statements of a date (`suanpan statement --all --format json`), PAPERS/DATE/BATCH what
`suanpan settle` wrote of a batch of that date. The trial balance is the manifest's, and differences are those of the last batch of
reconciliation of each date. Nothing is worked out again here but sums of what is listed.
"""

import argparse
import collections
import csv
import json
import pathlib


def put(folder, name, header, rows):
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split())
        writer.writerows(rows)


def trial_balance(manifest):
    for totals in manifest["currencies"]:
        sums = [sum(account[f"{side}_minor"] for account in totals["accounts"]) for side in ("opening", "closing")]
        yield totals["currency"], sums[0], totals["entries_minor"], totals["entries_minor"], sums[1]


def settlements(papers):
    """Each batch's sums as they were given to the bank."""
    for bank in papers.glob("*/bank.csv"):
        with bank.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                if row["row"] == "total":
                    amount = int(row["amount"].replace(".", ""))
                    yield row["batch_no"], row["currency"], row["count"], amount, row["count"], amount


def of_statement(statement, totals):
    held = {account["account"]: account for account in statement["accounts"] if account["currency"] == totals["currency"]}
    both = {
        "gross": totals["gross_minor"] - totals["voided_minor"],
        "refunds": totals["refunded_minor"] - totals["refund_failed_minor"],
        "fees": totals["fee_minor"] - totals["fee_returned_minor"],
    }
    settled = sum(
        line["moved_minor"]
        for line in statement["lines"]
        if line["kind"] == "settlement" and line["currency"] == totals["currency"]
    )
    return (
        *both.values(),
        totals["net_in_minor"] - totals["net_out_minor"] - totals["other_in_minor"] + totals["other_out_minor"],
        totals["billed_minor"] - totals["credited_minor"],
        settled,
        totals["other_in_minor"] - totals["other_out_minor"],
        *(held[account][f"{side}_minor"] for account in ("pending", "available", "total") for side in ("opening", "closing")),
    )


def merchants(papers, closings):
    """Each merchant with a statement; and those without one, which hold what they held."""
    found = {}
    for path in papers.glob("statements/*.json"):
        statement = json.loads(path.read_text(encoding="utf-8"))
        for totals in statement["totals"]:
            found[statement["merchant_id"], totals["currency"]] = of_statement(statement, totals)
    for key, held in closings.items():
        if key not in found:
            found[key] = (0,) * 7 + tuple(amount for amount in held for _ in range(2))
    closings |= {key: row[-5::2] for key, row in found.items()}
    # Who holds nothing and moved nothing has no balance.
    return [(*key, *row) for key, row in found.items() if any(row)]


def last_batch(store, channel, date):
    """The batch that decides: the one with the highest number."""
    folder = store / "reconciliation" / f"channel={channel}" / f"date={date}"
    numbers = [int(path.stem.removeprefix("batch-")) for path in folder.glob("batch-*.json")]
    return json.loads((folder / f"batch-{max(numbers)}.json").read_text(encoding="utf-8")) if numbers else None


def of_item(item):
    ours, bill = item["ours"], item["bill"]
    side = ours or bill
    return (
        item["class"], item["reason"], item["kind"], side["merchant_id"] if ours else side["sub_merchant"], side["order_no"],
        side["refund_no"], side["channel_txn"], side["currency"], ours["amount_minor"] if ours else "",
        bill["amount_minor"] if bill else "",
    )


def reconciliation(store, channel, date, out):
    batch = last_batch(store, channel, date)
    if batch is None:
        return
    lines = [json.loads(line) for line in (store / batch["lines"]["path"]).read_text(encoding="utf-8").splitlines()]
    put(
        out, f"{date}-differences",
        "class reason kind merchant_id order_no refund_no channel_txn currency ours_minor bill_minor",
        [of_item(line["item"]) for line in lines if "item" in line],
    )
    matched = [line["matched"] for line in lines if "matched" in line]
    put(
        out, f"{date}-matched", "kind currency merchant_id items amount_minor",
        [(row["kind"], row["currency"], row["merchant_id"], row["count"], row["amount_minor"]) for row in matched],
    )
    put(
        out, f"{date}-classes", "class kind currency items ours_minor bill_minor",
        [tuple(row[name] for name in ("class", "kind", "currency", "count", "ours_minor", "bill_minor")) for row in batch["totals"]],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=pathlib.Path)
    parser.add_argument("--papers", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--channel")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    closings = collections.defaultdict(tuple)
    for path in sorted(options.store.glob("manifests/*.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        date, papers = manifest["date"], options.papers / manifest["date"]
        put(options.out, f"{date}-proofs", "proof", [])
        put(
            options.out, f"{date}-trial_balance", "currency opening_minor in_minor out_minor closing_minor",
            trial_balance(manifest),
        )
        put(
            options.out, f"{date}-settlement_totals",
            "batch_no currency merchants amount_minor booked_merchants booked_minor", settlements(papers),
        )
        put(
            options.out, f"{date}-merchant_totals",
            "merchant_id currency gross_minor refunds_minor fees_minor net_minor billed_minor settled_minor others_minor "
            "pending_opening_minor pending_closing_minor available_opening_minor available_closing_minor opening_minor "
            "closing_minor",
            merchants(papers, closings),
        )
        if options.channel:
            reconciliation(options.store, options.channel, date, options.out)


if __name__ == "__main__":
    main()
