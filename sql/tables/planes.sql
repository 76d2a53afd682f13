-- name: tables/planes
-- does: creates the table of aircraft by tail number
-- reads:
-- writes: lake.flights.planes
-- params:
CREATE SCHEMA IF NOT EXISTS lake.flights;

CREATE TABLE IF NOT EXISTS lake.flights.planes (
    tailnum      varchar COMMENT 'tail number',
    year         integer COMMENT 'year built',
    type         varchar COMMENT 'kind of aircraft',
    manufacturer varchar COMMENT 'maker',
    model        varchar COMMENT 'model',
    engines      integer COMMENT 'number of engines',
    seats        integer COMMENT 'number of seats',
    speed        integer COMMENT 'cruising speed, mph',
    engine       varchar COMMENT 'kind of engine'
)
COMMENT 'Aircraft by tail number';
