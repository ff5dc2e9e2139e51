-- What the next date takes over of our side: what was carried, and what is open in a way that a later day can close by itself.
SELECT
    reconciliation.class AS earlier_class,
    reconciliation.reason AS earlier_reason,
    reconciliation.first_date,
    reconciliation.line_state AS earlier_state,
    reconciliation.line_minor AS earlier_minor,
    reconciliation.line_currency AS earlier_currency,
    reconciliation.kind,
    reconciliation.number_space,
    reconciliation.state,
    reconciliation.is_void,
    reconciliation.merchant_id,
    reconciliation.order_no,
    reconciliation.refund_no,
    reconciliation.own_no,
    reconciliation.channel_no,
    reconciliation.channel_txn,
    reconciliation.amount_minor,
    reconciliation.currency,
    reconciliation.happened_at,
    reconciliation.accounting_date,
    reconciliation.log_position,
    reconciliation.log_index
FROM reconciliation
CROSS JOIN params
WHERE reconciliation.own_no IS NOT NULL
    AND (
        reconciliation.class = 'carried'
        OR (
            reconciliation.first_date > params.watched_since
            AND (
                reconciliation.class = 'short'
                OR (reconciliation.class = 'status_differs' AND reconciliation.reason = 'state' AND reconciliation.kind <> 'payment')
            )
        )
    )
