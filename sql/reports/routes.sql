-- name: reports/routes
-- does: the busiest routes with distance and delay
-- reads: lake.flights.flights, lake.flights.airports
-- writes:
-- params:
SELECT
    f.origin,
    f.dest,
    p.name AS destination,
    count(*) AS flights,
    count(DISTINCT f.carrier) AS carriers,
    max(f.distance) AS miles,
    round(avg(f.arr_delay), 1) AS mean_arrival_delay_minutes
FROM lake.flights.flights AS f
LEFT JOIN lake.flights.airports AS p ON p.faa = f.dest
GROUP BY f.origin, f.dest, p.name
ORDER BY flights DESC, f.origin, f.dest
LIMIT 25;
