-- The channel's side: the lines of the date's bill, and those that earlier dates left over. bill_date, file and line say where a
-- line stands, and are its name from here on.
--
-- origin   own      of the date's bill
--          carried  carried from an earlier one
--          watched  open since an earlier one, and still looked for: only by what is left when all other lines are done
SELECT
    'own' AS origin,
    params.business_date AS first_date,
    params.business_date AS bill_date,
    bill.file,
    bill.line,
    bill.kind,
    bill.state,
    bill.time AS happened_at,
    bill.sub_merchant,
    bill.channel_txn,
    bill.order_no,
    bill.channel_refund_no,
    bill.refund_no,
    bill.currency,
    bill.amount_minor
FROM bill
CROSS JOIN params
UNION ALL
SELECT * FROM earlier_lines
