-- name: tables/dead_letters
-- does: creates the table of records that could not become rows
-- reads:
-- writes: lake.ingest.dead_letters
-- params:
CREATE SCHEMA IF NOT EXISTS lake.ingest;

CREATE TABLE IF NOT EXISTS lake.ingest.dead_letters (
    topic       varchar      COMMENT 'Kafka topic',
    "partition" integer      COMMENT 'Kafka partition',
    "offset"    bigint       COMMENT 'offset in the partition',
    reason      varchar      COMMENT 'why it could not become a row',
    "key"       varbinary    COMMENT 'the record''s key',
    payload     varbinary    COMMENT 'the record as it came',
    received_at timestamp(6) COMMENT 'when we read it, UTC'
)
COMMENT 'Records that could not become rows';
