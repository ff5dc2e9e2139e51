-- What the next date takes over of the channel's side: lines that were carried, and lines that the books may still get.
SELECT
    CASE WHEN reconciliation.class = 'carried' THEN 'carried' ELSE 'watched' END AS origin,
    reconciliation.first_date,
    reconciliation.bill_date,
    reconciliation.file,
    reconciliation.line,
    reconciliation.kind,
    reconciliation.line_state AS state,
    reconciliation.line_at AS happened_at,
    reconciliation.merchant_id AS sub_merchant,
    reconciliation.channel_txn,
    reconciliation.order_no,
    reconciliation.channel_refund_no,
    reconciliation.refund_no,
    reconciliation.line_currency AS currency,
    reconciliation.line_minor AS amount_minor
FROM reconciliation
CROSS JOIN params
WHERE reconciliation.own_no IS NULL
    AND (
        reconciliation.class = 'carried'
        OR (reconciliation.reason IN ('missing_in_books', 'ambiguous') AND reconciliation.first_date > params.watched_since)
    )
