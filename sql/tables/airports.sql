-- name: tables/airports
-- does: creates the table of airports with their positions
-- reads:
-- writes: lake.flights.airports
-- params:
CREATE SCHEMA IF NOT EXISTS lake.flights;

CREATE TABLE IF NOT EXISTS lake.flights.airports (
    faa   varchar COMMENT 'FAA code',
    name  varchar COMMENT 'full name',
    lat   double  COMMENT 'degrees north',
    lon   double  COMMENT 'degrees east',
    alt   integer COMMENT 'feet',
    tz    integer COMMENT 'hours from UTC',
    dst   varchar COMMENT 'daylight-saving rule',
    tzone varchar COMMENT 'IANA time zone'
)
COMMENT 'Airports with their positions';
