-- name: reports/carriers
-- does: ranks carriers by arriving on time, with cancellations and typical delay
-- reads: lake.flights.flights, lake.flights.airlines
-- writes:
-- params:
SELECT
    f.carrier,
    a.name,
    count(*) AS flights,
    round(100.0 * count(CASE WHEN f.arr_delay < 15 THEN 1 END) / nullif(count(f.arr_delay), 0), 1) AS on_time_percent,
    round(100.0 * count(CASE WHEN f.dep_time IS NULL THEN 1 END) / count(*), 1) AS cancelled_percent,
    round(avg(f.arr_delay), 1) AS mean_arrival_delay_minutes,
    round(approx_percentile(f.arr_delay, 0.9), 0) AS p90_delay_minutes
FROM lake.flights.flights AS f
LEFT JOIN lake.flights.airlines AS a ON a.carrier = f.carrier
GROUP BY f.carrier, a.name
ORDER BY on_time_percent DESC, f.carrier;
