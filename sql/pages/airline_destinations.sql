-- name: pages/airline_destinations
-- does: the ten busiest destinations of one airline
-- reads: lake.flights.flights, lake.flights.airports
-- writes:
-- params: carrier
SELECT
    f.dest,
    p.name,
    count(*) AS flights,
    avg(f.arr_delay) AS mean_delay
FROM lake.flights.flights AS f
LEFT JOIN lake.flights.airports AS p ON p.faa = f.dest
WHERE f.carrier = {carrier}
GROUP BY f.dest, p.name
ORDER BY flights DESC, f.dest
LIMIT 10;
