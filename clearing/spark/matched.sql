-- What matched, by kind, currency and merchant. What failed on both sides counts, and moved no money.
SELECT
    kind,
    currency,
    merchant_id,
    COUNT(*) AS items,
    SUM(CASE WHEN state = 'succeeded' THEN amount_minor ELSE 0 END) AS amount_minor
FROM reconciliation
WHERE class = 'matched'
GROUP BY kind, currency, merchant_id
