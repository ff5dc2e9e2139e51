-- Each batch of settlements by currency, twice: as the settlements say, and as the entries of subject 85 say.
WITH said AS (
    SELECT
        batch_no,
        currency,
        COUNT(*) AS merchants,
        SUM(amount_minor) AS amount_minor
    FROM settlements
    GROUP BY batch_no, currency
),

booked AS (
    SELECT
        COALESCE(reference, '') AS batch_no,
        currency,
        COUNT(*) AS merchants,
        SUM(amount_minor) AS amount_minor
    FROM entries
    WHERE subject = 85
    GROUP BY COALESCE(reference, ''), currency
)

SELECT
    COALESCE(said.batch_no, booked.batch_no) AS batch_no,
    COALESCE(said.currency, booked.currency) AS currency,
    COALESCE(said.merchants, 0) AS merchants,
    COALESCE(said.amount_minor, 0) AS amount_minor,
    COALESCE(booked.merchants, 0) AS booked_merchants,
    COALESCE(booked.amount_minor, 0) AS booked_minor
FROM said
FULL OUTER JOIN booked
    ON said.batch_no = booked.batch_no
    AND said.currency = booked.currency
