-- name: features/flight_delay
-- does: selects what a flight-delay model learns from: flights that arrived, in an order that two runs share
-- reads: lake.flights.flights
-- writes:
-- params: as_of
select dep_delay, distance, flight_date, carrier, origin, dest, arr_delay
from lake.flights.flights {as_of}
where arr_delay is not null
  and dep_delay is not null
order by flight_date, sched_dep_time, carrier, flight, origin, dest, tailnum, dep_time, arr_time, arr_delay
