-- name: pages/lookup_airlines
-- does: carriers by code, for forms
-- reads: lake.flights.airlines
-- writes:
-- params:
SELECT carrier AS code, name
FROM lake.flights.airlines
WHERE carrier IS NOT NULL
ORDER BY carrier
LIMIT 2000;
