-- name: reports/weather
-- does: departure delay by visibility at the origin in the scheduled hour
-- reads: lake.flights.flights, lake.flights.weather
-- writes:
-- params:
SELECT
    CASE
        WHEN w.visib < 1 THEN 'below 1 mile'
        WHEN w.visib < 3 THEN '1 to 3 miles'
        WHEN w.visib < 6 THEN '3 to 6 miles'
        ELSE '6 miles and more'
    END AS visibility,
    count(*) AS flights,
    round(avg(f.dep_delay), 1) AS mean_departure_delay_minutes,
    round(100.0 * count(CASE WHEN f.dep_time IS NULL THEN 1 END) / count(*), 1) AS cancelled_percent,
    round(avg(w.wind_speed), 1) AS mean_wind_mph
FROM lake.flights.flights AS f
JOIN lake.flights.weather AS w ON w.origin = f.origin AND w.time_hour = f.time_hour
WHERE w.visib IS NOT NULL
GROUP BY 1
ORDER BY mean_departure_delay_minutes DESC;
