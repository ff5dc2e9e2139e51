-- How each item of ours and each line of the bill ended, and why: matched, amount_differs, status_differs, long, short, carried;
-- or watched, when it has been open for longer and still is.
-- What takes an order back at once, with the line that is its own: the last of each order.
WITH voids AS (
    SELECT
        items.merchant_id,
        items.order_no,
        pairs.kind AS line_kind,
        pairs.amount_minor AS line_minor,
        ROW_NUMBER() OVER (
            PARTITION BY items.merchant_id, items.order_no
            ORDER BY items.log_position DESC, items.log_index DESC, items.kind DESC, items.own_no
        ) AS place
    FROM items
    LEFT JOIN pairs
        ON items.kind = pairs.item_kind
        AND items.merchant_id = pairs.item_merchant_id
        AND items.own_no = pairs.own_no
    WHERE items.number_space = 'return' AND items.is_void
),

-- Payments that are seen, for the voids of theirs that are not.
seen_payments AS (
    SELECT
        item_merchant_id AS merchant_id,
        own_no AS order_no
    FROM pairs
    WHERE item_kind = 'payment'
),

-- Orders that came late and were reinstated on this date: the bill of the date that they were paid on has them.
reinstated AS (
    SELECT DISTINCT
        entries.merchant_id,
        entries.order_no
    FROM entries
    INNER JOIN params
        ON entries.to_account = CONCAT('channel:', params.channel)
    WHERE entries.subject = 60 AND entries.reversal AND entries.from_account = 'suspense'
),

sides AS (
    SELECT
        items.*,
        pairs.verdict,
        pairs.bill_date,
        pairs.file,
        pairs.line,
        pairs.state AS line_state,
        pairs.amount_minor AS line_minor,
        pairs.currency AS line_currency,
        voids.line_minor AS void_minor,
        items.kind = 'payment' AND voids.line_kind = 'void' AS is_revoked,
        items.kind = 'void' AND seen_payments.order_no IS NOT NULL AS is_paid,
        items.kind = 'payment' AND reinstated.order_no IS NOT NULL AND items.happened_at < params.before_day AS is_reinstated,
        (items.state = 'succeeded' AND COALESCE(pairs.state, items.earlier_state) = 'succeeded')
            OR (items.state IN ('processing', 'held') AND COALESCE(pairs.state, items.earlier_state) = 'processing')
            OR (items.state = 'failed' AND COALESCE(pairs.state, items.earlier_state) = 'failed') AS states_agree,
        items.state IN ('processing', 'held') AS is_in_flight,
        CASE
            WHEN items.happened_at >= params.inside_to THEN TRUE
            WHEN items.earlier_class = 'carried' AND items.earlier_reason = 'near_cut' THEN NOT params.is_next_day
            ELSE items.happened_at < params.inside_from
        END AS is_near_cut
    FROM items
    CROSS JOIN params
    LEFT JOIN pairs
        ON items.kind = pairs.item_kind
        AND items.merchant_id = pairs.item_merchant_id
        AND items.own_no = pairs.own_no
    LEFT JOIN voids
        ON items.merchant_id = voids.merchant_id
        AND items.order_no = voids.order_no
        AND voids.place = 1
    LEFT JOIN seen_payments
        ON items.merchant_id = seen_payments.merchant_id
        AND items.order_no = seen_payments.order_no
    LEFT JOIN reinstated
        ON items.merchant_id = reinstated.merchant_id
        AND items.order_no = reinstated.order_no
),

-- One reason each, the first that holds; those of items with a line of their own stand above the blank line.
judged AS (
    SELECT
        CASE
            WHEN verdict = 'contradicts' THEN 'numbers_contradict'
            WHEN verdict = 'revoked' THEN 'revoked_not_voided'
            WHEN line IS NOT NULL AND NOT states_agree THEN 'state'
            WHEN line IS NOT NULL AND currency <> line_currency THEN 'currency'
            WHEN line IS NOT NULL AND amount_minor <> line_minor THEN 'amount'
            WHEN line IS NOT NULL AND is_in_flight THEN 'in_flight'
            WHEN line IS NOT NULL THEN 'agreed'

            WHEN earlier_state <> '' AND earlier_class = 'carried' AND is_in_flight THEN 'in_flight'
            WHEN earlier_state <> '' AND earlier_class = 'carried' THEN 'result_came'
            WHEN earlier_state <> '' AND NOT is_in_flight AND states_agree
                AND amount_minor = earlier_minor AND currency = earlier_currency THEN 'result_came'
            WHEN earlier_state <> '' THEN 'watched'
            WHEN origin = 'known' THEN 'not_expected'
            WHEN state = 'failed' AND origin = 'own' AND earlier_class = '' THEN 'not_expected'
            WHEN state = 'failed' THEN 'result_came'
            WHEN origin = 'watched' THEN 'watched'
            WHEN is_in_flight THEN 'in_flight'
            WHEN is_revoked THEN 'agreed'
            WHEN is_reinstated AND origin = 'own' THEN 'not_expected'
            WHEN is_near_cut THEN 'near_cut'
            WHEN is_paid THEN 'voided_not_revoked'
            ELSE 'missing_in_bill'
        END AS reason,
        sides.*
    FROM sides
),

of_items AS (
    SELECT
        CASE
            WHEN reason IN ('agreed', 'result_came') THEN 'matched'
            WHEN reason IN ('amount', 'currency') THEN 'amount_differs'
            WHEN reason IN ('numbers_contradict', 'revoked_not_voided', 'state') THEN 'status_differs'
            WHEN reason IN ('in_flight', 'near_cut') THEN 'carried'
            WHEN reason = 'watched' THEN earlier_class
            ELSE 'short'
        END AS class,
        CASE WHEN reason = 'watched' THEN earlier_reason ELSE reason END AS reason,
        reason = 'watched' AS is_watched,
        first_date,
        kind,
        number_space,
        state,
        is_void,
        merchant_id,
        order_no,
        refund_no,
        own_no,
        channel_no,
        channel_txn,
        amount_minor,
        currency,
        happened_at,
        accounting_date,
        log_position,
        log_index,
        bill_date,
        file,
        line,
        COALESCE(line_state, earlier_state) AS line_state,
        CAST(NULL AS TIMESTAMP) AS line_at,
        '' AS channel_refund_no,
        COALESCE(line_minor, earlier_minor, CASE WHEN is_revoked AND reason = 'agreed' THEN void_minor END) AS line_minor,
        COALESCE(line_currency, earlier_currency) AS line_currency
    FROM judged
    WHERE reason <> 'not_expected'
),

alone AS (
    SELECT
        CASE
            WHEN lines.origin = 'watched' THEN 'watched'
            WHEN found.verdict = 'clear' OR found.step = 2 THEN 'duplicate_line'
            WHEN found.verdict = 'ambiguous' THEN 'ambiguous'
            WHEN lines.happened_at >= params.inside_to THEN 'near_cut'
            WHEN lines.origin = 'carried' AND NOT params.is_next_day THEN 'near_cut'
            WHEN lines.origin = 'own' AND lines.happened_at < params.inside_from THEN 'near_cut'
            ELSE 'missing_in_books'
        END AS reason,
        lines.*
    FROM lines
    CROSS JOIN params
    LEFT JOIN found
        ON lines.bill_date = found.bill_date
        AND lines.file = found.file
        AND lines.line = found.line
    LEFT JOIN pairs
        ON lines.bill_date = pairs.bill_date
        AND lines.file = pairs.file
        AND lines.line = pairs.line
    WHERE pairs.line IS NULL
),

of_lines AS (
    SELECT
        CASE WHEN reason = 'near_cut' THEN 'carried' ELSE 'long' END AS class,
        CASE WHEN reason = 'watched' THEN 'missing_in_books' ELSE reason END AS reason,
        reason = 'watched' AS is_watched,
        first_date,
        kind,
        CAST(NULL AS VARCHAR(6)) AS number_space,
        state,
        CAST(NULL AS BOOLEAN) AS is_void,
        sub_merchant AS merchant_id,
        order_no,
        refund_no,
        CAST(NULL AS VARCHAR(64)) AS own_no,
        CAST(NULL AS VARCHAR(64)) AS channel_no,
        channel_txn,
        CAST(NULL AS BIGINT) AS amount_minor,
        currency,
        CAST(NULL AS TIMESTAMP) AS happened_at,
        CAST(NULL AS DATE) AS accounting_date,
        CAST(NULL AS BIGINT) AS log_position,
        CAST(NULL AS INTEGER) AS log_index,
        bill_date,
        file,
        line,
        state AS line_state,
        happened_at AS line_at,
        channel_refund_no,
        amount_minor AS line_minor,
        currency AS line_currency
    FROM alone
)

SELECT * FROM of_items
UNION ALL
SELECT * FROM of_lines
