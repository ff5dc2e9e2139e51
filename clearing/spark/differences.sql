-- What did not match, or not yet: what somebody has to look at, and what the next date's bill decides.
SELECT
    class,
    reason,
    kind,
    merchant_id,
    order_no,
    refund_no,
    channel_txn,
    currency,
    amount_minor AS ours_minor,
    line_minor AS bill_minor
FROM reconciliation
WHERE class <> 'matched' AND NOT is_watched
