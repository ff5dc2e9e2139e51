-- Each merchant's day by currency, from entries and balances: what it earned, gave back, paid in fees and got settled.
--
-- An account that gets money counts for it and one that gives counts against it, so reversals count themselves. What is billed
-- by the month is in billed_minor, less what was paid of it, and not in the net.
WITH owners AS (
    SELECT
        account,
        currency,
        merchant_id,
        CASE WHEN account LIKE 'fee_receivable:%' THEN 'fee_receivable' ELSE 'own' END AS purse
    FROM balances
    WHERE merchant_id IS NOT NULL
        AND (account LIKE 'merchant:%' OR account LIKE 'fee_receivable:%')
),

movements AS (
    SELECT
        to_account AS account,
        currency,
        subject,
        amount_minor
    FROM entries
    UNION ALL
    SELECT
        from_account AS account,
        currency,
        subject,
        -amount_minor AS amount_minor
    FROM entries
),

moved AS (
    SELECT
        owners.merchant_id,
        owners.currency,
        SUM(CASE WHEN purse = 'own' AND subject IN (62, 66) THEN amount_minor ELSE 0 END) AS gross_minor,
        SUM(CASE WHEN purse = 'own' AND subject IN (70, 76) THEN -amount_minor ELSE 0 END) AS refunds_minor,
        SUM(CASE WHEN purse = 'own' AND subject IN (63, 67, 73) THEN -amount_minor ELSE 0 END) AS fees_minor,
        SUM(CASE WHEN purse = 'fee_receivable' THEN -amount_minor ELSE 0 END) AS billed_minor,
        SUM(CASE WHEN purse = 'own' AND subject NOT IN (62, 63, 66, 67, 70, 73, 76) THEN amount_minor ELSE 0 END) AS others_minor,
        SUM(CASE WHEN owners.account LIKE '%:available' AND subject = 85 THEN amount_minor ELSE 0 END) AS settled_minor
    FROM movements
    INNER JOIN owners
        ON movements.account = owners.account
        AND movements.currency = owners.currency
    GROUP BY owners.merchant_id, owners.currency
),

held AS (
    SELECT
        balances.merchant_id,
        balances.currency,
        SUM(CASE WHEN balances.account LIKE '%:pending' THEN opening_minor ELSE 0 END) AS pending_opening_minor,
        SUM(CASE WHEN balances.account LIKE '%:pending' THEN closing_minor ELSE 0 END) AS pending_closing_minor,
        SUM(CASE WHEN balances.account LIKE '%:available' THEN opening_minor ELSE 0 END) AS available_opening_minor,
        SUM(CASE WHEN balances.account LIKE '%:available' THEN closing_minor ELSE 0 END) AS available_closing_minor,
        SUM(CASE WHEN owners.purse = 'own' THEN opening_minor ELSE 0 END) AS opening_minor,
        SUM(CASE WHEN owners.purse = 'own' THEN closing_minor ELSE 0 END) AS closing_minor
    FROM balances
    INNER JOIN owners
        ON balances.account = owners.account
        AND balances.currency = owners.currency
    GROUP BY balances.merchant_id, balances.currency
)

SELECT
    held.merchant_id,
    held.currency,
    COALESCE(moved.gross_minor, 0) AS gross_minor,
    COALESCE(moved.refunds_minor, 0) AS refunds_minor,
    COALESCE(moved.fees_minor, 0) AS fees_minor,
    COALESCE(moved.gross_minor - moved.refunds_minor - moved.fees_minor, 0) AS net_minor,
    COALESCE(moved.billed_minor, 0) AS billed_minor,
    COALESCE(moved.settled_minor, 0) AS settled_minor,
    COALESCE(moved.others_minor, 0) AS others_minor,
    held.pending_opening_minor,
    held.pending_closing_minor,
    held.available_opening_minor,
    held.available_closing_minor,
    held.opening_minor,
    held.closing_minor
FROM held
LEFT JOIN moved
    ON held.merchant_id = moved.merchant_id
    AND held.currency = moved.currency
