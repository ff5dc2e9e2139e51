-- What does not add up: there must be no row.
WITH movements AS (
    SELECT
        account,
        currency,
        SUM(in_minor) AS in_minor,
        SUM(out_minor) AS out_minor
    FROM (
        SELECT to_account AS account, currency, amount_minor AS in_minor, 0 AS out_minor FROM entries
        UNION ALL
        SELECT from_account AS account, currency, 0 AS in_minor, amount_minor AS out_minor FROM entries
    ) AS sides
    GROUP BY account, currency
),

accounts AS (
    SELECT
        COALESCE(balances.account, movements.account) AS account,
        COALESCE(balances.currency, movements.currency) AS currency,
        COALESCE(balances.opening_minor, 0) AS opening_minor,
        COALESCE(balances.in_minor, 0) AS in_minor,
        COALESCE(balances.out_minor, 0) AS out_minor,
        COALESCE(balances.closing_minor, 0) AS closing_minor,
        COALESCE(movements.in_minor, 0) AS booked_in_minor,
        COALESCE(movements.out_minor, 0) AS booked_out_minor
    FROM balances
    FULL OUTER JOIN movements
        ON balances.account = movements.account
        AND balances.currency = movements.currency
)

SELECT
    'opening + in - out = closing' AS proof,
    account AS subject_of_it,
    currency,
    opening_minor + in_minor - out_minor AS expected_minor,
    closing_minor AS found_minor
FROM accounts
WHERE opening_minor + in_minor - out_minor <> closing_minor
UNION ALL
SELECT
    'in = the entries to it' AS proof,
    account AS subject_of_it,
    currency,
    booked_in_minor AS expected_minor,
    in_minor AS found_minor
FROM accounts
WHERE booked_in_minor <> in_minor
UNION ALL
SELECT
    'out = the entries from it' AS proof,
    account AS subject_of_it,
    currency,
    booked_out_minor AS expected_minor,
    out_minor AS found_minor
FROM accounts
WHERE booked_out_minor <> out_minor
UNION ALL
SELECT
    'all closings = 0' AS proof,
    '' AS subject_of_it,
    currency,
    0 AS expected_minor,
    closing_minor AS found_minor
FROM trial_balance
WHERE closing_minor <> 0
UNION ALL
SELECT
    'in = out' AS proof,
    '' AS subject_of_it,
    currency,
    in_minor AS expected_minor,
    out_minor AS found_minor
FROM trial_balance
WHERE in_minor <> out_minor
UNION ALL
SELECT
    'settlements = entries of subject 85' AS proof,
    batch_no AS subject_of_it,
    currency,
    booked_minor AS expected_minor,
    amount_minor AS found_minor
FROM settlement_totals
WHERE booked_minor <> amount_minor OR booked_merchants <> merchants
UNION ALL
SELECT
    'opening + net + others = closing' AS proof,
    merchant_id AS subject_of_it,
    currency,
    opening_minor + net_minor + others_minor AS expected_minor,
    closing_minor AS found_minor
FROM merchant_totals
WHERE opening_minor + net_minor + others_minor <> closing_minor
