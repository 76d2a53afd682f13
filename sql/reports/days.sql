-- name: reports/days
-- does: the days with the worst mean departure delay, with the carrier of the longest one
-- reads: lake.flights.flights
-- writes:
-- params:
SELECT
    flight_date,
    count(*) AS flights,
    count_if(dep_time IS NULL) AS cancelled,
    round(avg(dep_delay), 1) AS mean_departure_delay_minutes,
    max(dep_delay) AS longest_delay_minutes,
    max_by(carrier, dep_delay) AS carrier_of_longest_delay
FROM lake.flights.flights
GROUP BY flight_date
ORDER BY mean_departure_delay_minutes DESC NULLS LAST, flight_date
LIMIT 20;
