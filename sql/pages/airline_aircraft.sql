-- name: pages/airline_aircraft
-- does: one page of the aircraft of one airline, the busiest first
-- reads: lake.flights.flights, lake.flights.planes
-- writes:
-- params: carrier, limit, offset
SELECT
    f.tailnum,
    p.manufacturer,
    p.model,
    p.year,
    p.seats,
    count(*) AS flights
FROM lake.flights.flights AS f
LEFT JOIN lake.flights.planes AS p ON p.tailnum = f.tailnum
WHERE f.carrier = {carrier} AND f.tailnum IS NOT NULL
GROUP BY f.tailnum, p.manufacturer, p.model, p.year, p.seats
ORDER BY flights DESC, f.tailnum
LIMIT {limit} OFFSET {offset};
