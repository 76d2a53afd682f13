-- name: reports/months
-- does: flights, cancellations and delay by month
-- reads: lake.flights.flights
-- writes:
-- params:
SELECT
    month,
    count(*) AS flights,
    count_if(dep_time IS NULL) AS cancelled,
    round(avg(dep_delay), 1) AS mean_departure_delay_minutes,
    round(avg(arr_delay), 1) AS mean_arrival_delay_minutes
FROM lake.flights.flights
GROUP BY month
ORDER BY month;
