-- Which of our items each line is of: the channel's number first, then our number of that merchant, then our number alone.
--
-- verdict  clear        it is of this item
--          contradicts  one number leads to this item and another away from it
--          revoked      the channel took this payment back, and we know of nothing that did
--          ambiguous    it may be of several; the item given is any of them
-- A line that is of nothing of ours is not here.
WITH known_merchants AS (
    SELECT DISTINCT merchant_id
    FROM merchants
),

-- What is looked for: each line by its own numbers; a void, or a refund without a number of its own, also by its order's.
sought AS (
    SELECT
        lines.bill_date,
        lines.file,
        lines.line,
        'own' AS purpose,
        lines.kind,
        CASE WHEN lines.kind = 'payment' THEN 'order' ELSE 'return' END AS number_space,
        CASE WHEN lines.kind = 'payment' THEN lines.channel_txn ELSE lines.channel_refund_no END AS channel_no,
        CASE WHEN lines.kind = 'payment' THEN lines.order_no ELSE lines.refund_no END AS own_no,
        known_merchants.merchant_id,
        lines.amount_minor,
        lines.currency,
        lines.origin = 'watched' AS is_strict
    FROM lines
    LEFT JOIN known_merchants
        ON lines.sub_merchant = known_merchants.merchant_id
    UNION ALL
    SELECT
        lines.bill_date,
        lines.file,
        lines.line,
        'order' AS purpose,
        'payment' AS kind,
        'order' AS number_space,
        lines.channel_txn AS channel_no,
        lines.order_no AS own_no,
        known_merchants.merchant_id,
        lines.amount_minor,
        lines.currency,
        lines.origin = 'watched' AS is_strict
    FROM lines
    LEFT JOIN known_merchants
        ON lines.sub_merchant = known_merchants.merchant_id
    WHERE lines.kind = 'void' OR (lines.kind = 'refund' AND lines.refund_no = '')
),

by_channel AS (
    SELECT
        sought.bill_date,
        sought.file,
        sought.line,
        sought.purpose,
        items.kind,
        items.merchant_id,
        items.own_no,
        items.log_position,
        items.log_index,
        CASE WHEN sought.own_no IN ('', items.own_no)
            AND COALESCE(sought.merchant_id, items.merchant_id) = items.merchant_id THEN 'clear' ELSE 'contradicts' END AS verdict,
        CASE WHEN sought.own_no IN ('', items.own_no)
            AND COALESCE(sought.merchant_id, items.merchant_id) = items.merchant_id THEN 1 ELSE 2 END AS step
    FROM sought
    INNER JOIN items
        ON sought.number_space = items.number_space
        AND sought.channel_no = items.channel_no
    WHERE sought.channel_no <> ''
),

by_merchant AS (
    SELECT
        sought.bill_date,
        sought.file,
        sought.line,
        sought.purpose,
        items.kind,
        items.merchant_id,
        items.own_no,
        items.log_position,
        items.log_index,
        CASE WHEN sought.channel_no = '' OR items.channel_no IN ('', sought.channel_no)
            THEN 'clear' ELSE 'contradicts' END AS verdict,
        CASE WHEN items.kind = sought.kind THEN 3 ELSE 4 END AS step
    FROM sought
    INNER JOIN items
        ON sought.number_space = items.number_space
        AND sought.own_no = items.own_no
        AND sought.merchant_id = items.merchant_id
    WHERE sought.own_no <> ''
),

-- A number alone may be several merchants'. What the date brought or was carried to it comes before what is only looked for.
-- A line that is open for long must have the same amount.
of_that_number AS (
    SELECT
        sought.bill_date,
        sought.file,
        sought.line,
        sought.purpose,
        items.kind,
        items.merchant_id,
        items.own_no,
        items.log_position,
        items.log_index,
        sought.channel_no = '' OR items.channel_no IN ('', sought.channel_no) AS fits,
        sought.is_strict,
        sought.amount_minor = items.amount_minor AND sought.currency = items.currency AS is_same,
        CASE WHEN items.kind = sought.kind THEN 5 ELSE 6 END AS step,
        CASE WHEN items.origin IN ('known', 'watched') THEN 1 ELSE 0 END AS distance,
        MIN(CASE WHEN items.origin IN ('known', 'watched') THEN 1 ELSE 0 END) OVER (
            PARTITION BY sought.bill_date, sought.file, sought.line, sought.purpose, items.kind
        ) AS nearest
    FROM sought
    INNER JOIN items
        ON sought.number_space = items.number_space
        AND sought.own_no = items.own_no
    WHERE sought.own_no <> '' AND sought.merchant_id IS NULL
),

of_that_number_counted AS (
    SELECT
        of_that_number.*,
        SUM(CASE WHEN fits THEN 1 ELSE 0 END) OVER same_number AS fitting,
        SUM(CASE WHEN fits AND is_same THEN 1 ELSE 0 END) OVER same_number AS fitting_same,
        SUM(CASE WHEN NOT fits AND is_same THEN 1 ELSE 0 END) OVER same_number AS others_same
    FROM of_that_number
    WHERE distance = nearest AND (is_same OR NOT fits OR NOT is_strict)
    WINDOW same_number AS (PARTITION BY bill_date, file, line, purpose, kind)
),

by_number_alone AS (
    SELECT
        bill_date,
        file,
        line,
        purpose,
        kind,
        merchant_id,
        own_no,
        log_position,
        log_index,
        CASE
            WHEN fits AND (fitting = 1 OR (is_same AND fitting_same = 1)) THEN 'clear'
            WHEN fits THEN 'ambiguous'
            ELSE 'contradicts'
        END AS verdict,
        step
    FROM of_that_number_counted
    WHERE (fits AND (fitting = 1 OR fitting_same <> 1 OR is_same))
        OR (fitting = 0 AND is_same AND others_same = 1)
),

candidates AS (
    SELECT * FROM by_channel
    UNION ALL
    SELECT * FROM by_merchant
    UNION ALL
    SELECT * FROM by_number_alone
),

ranked AS (
    SELECT
        candidates.*,
        ROW_NUMBER() OVER (
            PARTITION BY bill_date, file, line, purpose
            ORDER BY step, log_position, log_index, merchant_id, own_no, kind
        ) AS place
    FROM candidates
),

by_own_numbers AS (
    SELECT * FROM ranked
    WHERE place = 1 AND purpose = 'own'
),

by_orders_numbers AS (
    SELECT * FROM ranked
    WHERE place = 1 AND purpose = 'order' AND verdict = 'clear'
),

-- The last void that an order has, or refund that was sent as one.
voids AS (
    SELECT
        items.*,
        ROW_NUMBER() OVER (
            PARTITION BY merchant_id, order_no
            ORDER BY log_position DESC, log_index DESC, kind DESC, own_no
        ) AS place
    FROM items
    WHERE number_space = 'return' AND is_void
),

by_order AS (
    SELECT
        lines.bill_date,
        lines.file,
        lines.line,
        COALESCE(voids.kind, payment.kind) AS kind,
        payment.merchant_id,
        COALESCE(voids.own_no, payment.own_no) AS own_no,
        CASE WHEN voids.kind IS NULL THEN 'revoked' ELSE 'clear' END AS verdict,
        CAST(NULL AS INTEGER) AS step
    FROM lines
    INNER JOIN by_orders_numbers AS payment
        ON lines.bill_date = payment.bill_date
        AND lines.file = payment.file
        AND lines.line = payment.line
    LEFT JOIN voids
        ON payment.merchant_id = voids.merchant_id
        AND payment.own_no = voids.order_no
        AND voids.place = 1
    LEFT JOIN by_own_numbers AS own
        ON lines.bill_date = own.bill_date
        AND lines.file = own.file
        AND lines.line = own.line
    WHERE own.line IS NULL AND (lines.kind = 'void' OR voids.kind IS NOT NULL)
)

SELECT bill_date, file, line, kind, merchant_id, own_no, verdict, step
FROM by_own_numbers
UNION ALL
SELECT bill_date, file, line, kind, merchant_id, own_no, verdict, step
FROM by_order
