-- How many items ended how, and the cash in them: ours, and the channel's. What failed on both sides counts, and moved no money.
WITH sides AS (
    SELECT
        class,
        kind,
        currency,
        CASE WHEN class <> 'matched' OR state = 'succeeded' THEN amount_minor ELSE 0 END AS ours_minor,
        CASE WHEN class <> 'matched' THEN line_minor WHEN state = 'succeeded' THEN amount_minor ELSE 0 END AS bill_minor
    FROM reconciliation
    WHERE NOT is_watched
)

SELECT
    class,
    kind,
    currency,
    COUNT(*) AS items,
    COALESCE(SUM(ours_minor), 0) AS ours_minor,
    COALESCE(SUM(bill_minor), 0) AS bill_minor
FROM sides
GROUP BY class, kind, currency
