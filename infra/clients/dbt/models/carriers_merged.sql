{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge') }}
select id, code, name from {{ ref('carriers_view') }}
{% if is_incremental() %} where id > 1 {% endif %}
