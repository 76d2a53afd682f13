-- name: reports/hours
-- does: delay by scheduled hour of departure: it grows over the day
-- reads: lake.flights.flights
-- writes:
-- params:
SELECT
    hour,
    count(*) AS flights,
    round(avg(dep_delay), 1) AS mean_departure_delay_minutes,
    round(100.0 * count(CASE WHEN dep_delay >= 15 THEN 1 END) / nullif(count(dep_delay), 0), 1) AS late_percent
FROM lake.flights.flights
GROUP BY hour
ORDER BY hour;
