select id, upper(code) as code, name from {{ ref('carriers') }}
