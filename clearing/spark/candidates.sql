-- Which of our items a line's numbers lead to: the channel's number first, then our number of that merchant, then our number
-- alone. By its own numbers, and for a void, or a refund without a number of its own, also by those of its order.
--
-- verdict  clear        to this item
--          contradicts  one number leads to this item and another away from it
--          ambiguous    to several; the item given is any of them
-- A line whose numbers lead nowhere is not here.
WITH known_merchants AS (
    SELECT DISTINCT merchant_id
    FROM merchants
),

-- What is looked for, for each line and purpose.
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
)

SELECT * FROM ranked
WHERE place = 1
