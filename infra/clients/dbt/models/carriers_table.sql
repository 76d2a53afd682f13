{{ config(materialized='table') }}
select code, count(*) as n from {{ ref('carriers_view') }} group by code
