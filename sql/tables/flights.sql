-- name: tables/flights
-- does: creates the table of departures from New York City
-- reads:
-- writes: lake.flights.flights
-- params:
CREATE SCHEMA IF NOT EXISTS lake.flights;

CREATE TABLE IF NOT EXISTS lake.flights.flights (
    year           integer      COMMENT 'local year of the scheduled departure',
    month          integer      COMMENT 'local month',
    day            integer      COMMENT 'local day of the month',
    dep_time       integer      COMMENT 'actual departure, local HHMM; null if cancelled',
    sched_dep_time integer      COMMENT 'scheduled departure, local HHMM',
    dep_delay      integer      COMMENT 'minutes, negative is early',
    arr_time       integer      COMMENT 'actual arrival, local HHMM',
    sched_arr_time integer      COMMENT 'scheduled arrival, local HHMM',
    arr_delay      integer      COMMENT 'minutes, negative is early; null if cancelled or diverted',
    carrier        varchar      COMMENT 'two-letter carrier code',
    flight         integer      COMMENT 'flight number',
    tailnum        varchar      COMMENT 'tail number',
    origin         varchar      COMMENT 'FAA code',
    dest           varchar      COMMENT 'FAA code',
    air_time       integer      COMMENT 'minutes in the air',
    distance       integer      COMMENT 'miles',
    hour           integer      COMMENT 'scheduled departure hour, local',
    minute         integer      COMMENT 'scheduled departure minute',
    time_hour      timestamp(6) COMMENT 'scheduled departure hour, UTC',
    flight_date    date         COMMENT 'local date of the scheduled departure'
)
COMMENT 'Departures from New York City';
