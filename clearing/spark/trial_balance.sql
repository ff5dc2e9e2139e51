-- The trial balance by currency: what all accounts hold together is nothing, and what went into some came out of others.
SELECT
    currency,
    COUNT(*) AS accounts,
    SUM(opening_minor) AS opening_minor,
    SUM(in_minor) AS in_minor,
    SUM(out_minor) AS out_minor,
    SUM(closing_minor) AS closing_minor
FROM balances
GROUP BY currency
