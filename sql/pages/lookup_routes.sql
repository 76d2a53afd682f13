-- name: pages/lookup_routes
-- does: the distance of each route that is flown
-- reads: lake.flights.flights
-- writes:
-- params:
SELECT origin, dest, avg(distance) AS miles, count(*) AS flights
FROM lake.flights.flights
WHERE distance IS NOT NULL
GROUP BY origin, dest
ORDER BY flights DESC, origin, dest
LIMIT 20000;
