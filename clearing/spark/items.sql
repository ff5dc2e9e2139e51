-- Our side: the payments, refunds and voids that the channel should have too, as one table.
--
-- origin   own      booked on the date
--          carried  carried from an earlier date; if anything happened to it since, as it stands now
--          watched  open since an earlier date, and still looked for
--          known    a refund or void of an earlier date that something happened to on this one: the bill may have it
--
-- own_no is our number of it and channel_no the channel's: the order's for a payment, its own for a refund or void. The two
-- spaces of numbers, of orders and of what takes them back, have nothing to do with each other.
--
-- What is called earlier_… is how the date before left it, empty for what it did not have.
WITH payments AS (
    SELECT
        'payment' AS kind,
        'order' AS number_space,
        'succeeded' AS state,
        orders.status = 'voided' AS is_void,
        orders.merchant_id,
        orders.order_no,
        '' AS refund_no,
        orders.order_no AS own_no,
        COALESCE(orders.channel_txn, '') AS channel_no,
        COALESCE(orders.channel_txn, '') AS channel_txn,
        orders.amount_minor,
        orders.currency,
        COALESCE(orders.paid_at, orders.decided_at) AS happened_at,
        orders.accounting_date,
        orders.log_position,
        orders.log_index
    FROM orders
    INNER JOIN params
        ON orders.channel = params.channel
        AND orders.accounting_date = params.business_date
    WHERE orders.status NOT IN ('created', 'closed')
),

taken_back AS (
    SELECT
        refunds.kind,
        'return' AS number_space,
        refunds.state,
        refunds.sent_as = 'void' AS is_void,
        refunds.merchant_id,
        refunds.order_no,
        refunds.refund_no,
        refunds.refund_no AS own_no,
        COALESCE(refunds.channel_refund_no, '') AS channel_no,
        COALESCE(refunds.channel_txn, '') AS channel_txn,
        refunds.cash_minor AS amount_minor,
        refunds.currency,
        refunds.decided_at AS happened_at,
        refunds.accounting_date,
        refunds.log_position,
        refunds.log_index
    FROM refunds
    INNER JOIN params
        ON refunds.channel = params.channel
    WHERE refunds.cash_minor > 0
),

todays AS (
    SELECT * FROM payments
    UNION ALL
    SELECT * FROM taken_back
),

todays_and_before AS (
    SELECT
        CASE
            WHEN todays.accounting_date = params.business_date THEN 'own'
            WHEN earlier_items.earlier_class IS NULL THEN 'known'
            WHEN earlier_items.earlier_class = 'carried' THEN 'carried'
            ELSE 'watched'
        END AS origin,
        COALESCE(earlier_items.earlier_class, '') AS earlier_class,
        COALESCE(earlier_items.earlier_reason, '') AS earlier_reason,
        COALESCE(earlier_items.first_date, params.business_date) AS first_date,
        COALESCE(earlier_items.earlier_state, '') AS earlier_state,
        earlier_items.earlier_minor,
        COALESCE(earlier_items.earlier_currency, '') AS earlier_currency,
        todays.*
    FROM todays
    CROSS JOIN params
    LEFT JOIN earlier_items
        ON todays.kind = earlier_items.kind
        AND todays.merchant_id = earlier_items.merchant_id
        AND todays.own_no = earlier_items.own_no
),

only_before AS (
    SELECT
        CASE WHEN earlier_items.earlier_class = 'carried' THEN 'carried' ELSE 'watched' END AS origin,
        earlier_items.*
    FROM earlier_items
    LEFT JOIN todays
        ON earlier_items.kind = todays.kind
        AND earlier_items.merchant_id = todays.merchant_id
        AND earlier_items.own_no = todays.own_no
    WHERE todays.kind IS NULL
)

SELECT * FROM todays_and_before
UNION ALL
SELECT * FROM only_before
