-- name: pages/flights_count
-- does: counts the flights a search finds; an empty value asks for nothing
-- reads: lake.flights.flights
-- writes:
-- params: origin, dest, carrier, from, to, number
SELECT count(*) AS flights
FROM lake.flights.flights
WHERE ({origin} IS NULL OR origin = {origin})
  AND ({dest} IS NULL OR dest = {dest})
  AND ({carrier} IS NULL OR carrier = {carrier})
  AND ({from} IS NULL OR flight_date >= {from})
  AND ({to} IS NULL OR flight_date <= {to})
  AND ({number} IS NULL OR flight = {number})
LIMIT 1;
