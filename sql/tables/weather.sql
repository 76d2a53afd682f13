-- name: tables/weather
-- does: creates the table of hourly weather at the three origins
-- reads:
-- writes: lake.flights.weather
-- params:
CREATE SCHEMA IF NOT EXISTS lake.flights;

CREATE TABLE IF NOT EXISTS lake.flights.weather (
    origin     varchar      COMMENT 'station, FAA code',
    year       integer      COMMENT 'local year',
    month      integer      COMMENT 'local month',
    day        integer      COMMENT 'local day',
    hour       integer      COMMENT 'local hour',
    temp       double       COMMENT 'degrees Fahrenheit',
    dewp       double       COMMENT 'dew point, degrees Fahrenheit',
    humid      double       COMMENT 'relative humidity, percent',
    wind_dir   integer      COMMENT 'degrees',
    wind_speed double       COMMENT 'mph',
    wind_gust  double       COMMENT 'mph',
    precip     double       COMMENT 'inches',
    pressure   double       COMMENT 'millibar',
    visib      double       COMMENT 'miles',
    time_hour  timestamp(6) COMMENT 'hour, UTC'
)
COMMENT 'Hourly weather at the three origins';
