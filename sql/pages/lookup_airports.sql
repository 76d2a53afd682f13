-- name: pages/lookup_airports
-- does: airports by code with their positions, for forms and distances
-- reads: lake.flights.airports
-- writes:
-- params:
SELECT faa AS code, name, lat, lon
FROM lake.flights.airports
WHERE faa IS NOT NULL
ORDER BY faa
LIMIT 20000;
