-- name: pages/flights
-- does: one page of the flights a search finds, in the order of departure; an empty value asks for nothing
-- reads: lake.flights.flights
-- writes:
-- params: origin, dest, carrier, from, to, number, limit, offset
SELECT
    flight_date,
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    sched_dep_time,
    dep_time,
    dep_delay,
    arr_time,
    arr_delay
FROM lake.flights.flights
WHERE ({origin} IS NULL OR origin = {origin})
  AND ({dest} IS NULL OR dest = {dest})
  AND ({carrier} IS NULL OR carrier = {carrier})
  AND ({from} IS NULL OR flight_date >= {from})
  AND ({to} IS NULL OR flight_date <= {to})
  AND ({number} IS NULL OR flight = {number})
ORDER BY flight_date, sched_dep_time, carrier, flight, origin, dest
LIMIT {limit} OFFSET {offset};
