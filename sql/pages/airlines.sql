-- name: pages/airlines
-- does: all airlines with flights, mean arrival delay and share of cancelled flights
-- reads: lake.flights.airlines, lake.flights.flights
-- writes:
-- params:
SELECT
    a.carrier,
    a.name,
    count(f.carrier) AS flights,
    avg(f.arr_delay) AS mean_delay,
    100.0 * count(CASE WHEN f.dep_time IS NULL AND f.carrier IS NOT NULL THEN 1 END)
        / nullif(count(f.carrier), 0) AS cancelled_percent
FROM lake.flights.airlines AS a
LEFT JOIN lake.flights.flights AS f ON f.carrier = a.carrier
GROUP BY a.carrier, a.name
ORDER BY flights DESC, a.carrier
LIMIT 500;
