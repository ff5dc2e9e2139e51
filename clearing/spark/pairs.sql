-- The line that is an item's own: its first, clear ones before those that contradict themselves, and these before what has been
-- open for long. What else claims the item has none.
WITH claims AS (
    SELECT
        found.*,
        ROW_NUMBER() OVER (
            PARTITION BY found.kind, found.merchant_id, found.own_no
            ORDER BY
                CASE WHEN lines.origin = 'watched' THEN 2 WHEN found.verdict = 'clear' THEN 0 ELSE 1 END,
                found.bill_date,
                found.file,
                found.line
        ) AS place
    FROM found
    INNER JOIN lines
        ON found.bill_date = lines.bill_date
        AND found.file = lines.file
        AND found.line = lines.line
    WHERE found.verdict = 'clear' OR (found.verdict <> 'ambiguous' AND lines.origin <> 'watched')
)

SELECT
    claims.kind AS item_kind,
    claims.merchant_id AS item_merchant_id,
    claims.own_no,
    claims.verdict,
    lines.*
FROM claims
INNER JOIN lines
    ON claims.bill_date = lines.bill_date
    AND claims.file = lines.file
    AND claims.line = lines.line
WHERE claims.place = 1
