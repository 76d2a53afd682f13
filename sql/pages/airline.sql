-- name: pages/airline
-- does: one airline with its totals; no row if there is no such airline
-- reads: lake.flights.airlines, lake.flights.flights
-- writes:
-- params: carrier
SELECT
    a.carrier,
    a.name,
    count(f.carrier) AS flights,
    count(CASE WHEN f.dep_time IS NULL AND f.carrier IS NOT NULL THEN 1 END) AS cancelled,
    count(DISTINCT f.tailnum) AS aircraft,
    count(DISTINCT f.dest) AS destinations,
    avg(f.dep_delay) AS mean_departure_delay,
    avg(f.arr_delay) AS mean_delay
FROM lake.flights.airlines AS a
LEFT JOIN lake.flights.flights AS f ON f.carrier = a.carrier
WHERE a.carrier = {carrier}
GROUP BY a.carrier, a.name
LIMIT 1;
