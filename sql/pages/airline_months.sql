-- name: pages/airline_months
-- does: mean arrival delay of one airline by month
-- reads: lake.flights.flights
-- writes:
-- params: carrier
SELECT
    month,
    count(*) AS flights,
    avg(arr_delay) AS mean_delay
FROM lake.flights.flights
WHERE carrier = {carrier}
GROUP BY month
ORDER BY month
LIMIT 12;
