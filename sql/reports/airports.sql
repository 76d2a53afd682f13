-- name: reports/airports
-- does: the three origins compared
-- reads: lake.flights.flights, lake.flights.airports
-- writes:
-- params:
SELECT
    f.origin,
    p.name,
    count(*) AS flights,
    count(DISTINCT f.dest) AS destinations,
    count(DISTINCT f.carrier) AS carriers,
    round(avg(f.dep_delay), 1) AS mean_departure_delay_minutes,
    round(avg(f.arr_delay), 1) AS mean_arrival_delay_minutes
FROM lake.flights.flights AS f
LEFT JOIN lake.flights.airports AS p ON p.faa = f.origin
GROUP BY f.origin, p.name
ORDER BY flights DESC, f.origin;
