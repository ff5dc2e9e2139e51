-- Which of our items each line is of: the one that its own numbers lead to; else the void of the order that it names.
--
-- verdict  clear        it is of this item
--          contradicts  one number leads to this item and another away from it
--          revoked      the channel took this payment back, and we know of nothing that did
--          ambiguous    it may be of several; the item given is any of them
-- A line that is of nothing of ours is not here.
WITH by_own_numbers AS (
    SELECT * FROM candidates
    WHERE purpose = 'own'
),

by_orders_numbers AS (
    SELECT * FROM candidates
    WHERE purpose = 'order' AND verdict = 'clear'
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
