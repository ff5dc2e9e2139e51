-- How many items ended how, and the cash in them: ours, and the channel's.
SELECT
    class,
    kind,
    currency,
    COUNT(*) AS items,
    COALESCE(SUM(amount_minor), 0) AS ours_minor,
    COALESCE(SUM(line_minor), 0) AS bill_minor
FROM reconciliation
WHERE NOT is_watched
GROUP BY class, kind, currency
