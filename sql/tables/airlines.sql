-- name: tables/airlines
-- does: creates the table of carriers by code
-- reads:
-- writes: lake.flights.airlines
-- params:
CREATE SCHEMA IF NOT EXISTS lake.flights;

CREATE TABLE IF NOT EXISTS lake.flights.airlines (
    carrier varchar COMMENT 'two-letter code',
    name    varchar COMMENT 'full name'
)
COMMENT 'Carriers by code';
