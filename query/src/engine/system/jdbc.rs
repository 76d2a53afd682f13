//! `system.jdbc`: what JDBC drivers ask for, with the codes of `java.sql.Types`.

use super::relations::{ListedColumn, columns_if_any, relations, schemas};
use super::rows::Cell;
use super::{Kind, Listed, TableSpec, Wanted, catalogs};
use crate::Result;
use crate::engine::QueryEngine;

pub(super) static TABLES: [TableSpec; 13] = [
    TableSpec {
        schema: "jdbc",
        name: "attributes",
        columns: &[
            ("type_cat", Kind::Text),
            ("type_schem", Kind::Text),
            ("type_name", Kind::Text),
            ("attr_name", Kind::Text),
            ("data_type", Kind::Bigint),
            ("attr_type_name", Kind::Text),
            ("attr_size", Kind::Bigint),
            ("decimal_digits", Kind::Bigint),
            ("num_prec_radix", Kind::Bigint),
            ("nullable", Kind::Bigint),
            ("remarks", Kind::Text),
            ("attr_def", Kind::Text),
            ("sql_data_type", Kind::Bigint),
            ("sql_datetime_sub", Kind::Bigint),
            ("char_octet_length", Kind::Bigint),
            ("ordinal_position", Kind::Bigint),
            ("is_nullable", Kind::Text),
            ("scope_catalog", Kind::Text),
            ("scope_schema", Kind::Text),
            ("scope_table", Kind::Text),
            ("source_data_type", Kind::Bigint),
        ],
        visible: 21,
    },
    TableSpec {
        schema: "jdbc",
        name: "catalogs",
        columns: &[("table_cat", Kind::Text)],
        visible: 1,
    },
    TableSpec {
        schema: "jdbc",
        name: "columns",
        columns: &[
            ("table_cat", Kind::Text),
            ("table_schem", Kind::Text),
            ("table_name", Kind::Text),
            ("column_name", Kind::Text),
            ("data_type", Kind::Bigint),
            ("type_name", Kind::Text),
            ("column_size", Kind::Bigint),
            ("buffer_length", Kind::Bigint),
            ("decimal_digits", Kind::Bigint),
            ("num_prec_radix", Kind::Bigint),
            ("nullable", Kind::Bigint),
            ("remarks", Kind::Text),
            ("column_def", Kind::Text),
            ("sql_data_type", Kind::Bigint),
            ("sql_datetime_sub", Kind::Bigint),
            ("char_octet_length", Kind::Bigint),
            ("ordinal_position", Kind::Bigint),
            ("is_nullable", Kind::Text),
            ("scope_catalog", Kind::Text),
            ("scope_schema", Kind::Text),
            ("scope_table", Kind::Text),
            ("source_data_type", Kind::Bigint),
            ("is_autoincrement", Kind::Text),
            ("is_generatedcolumn", Kind::Text),
        ],
        visible: 24,
    },
    TableSpec {
        schema: "jdbc",
        name: "procedure_columns",
        columns: &[
            ("procedure_cat", Kind::Text),
            ("procedure_schem", Kind::Text),
            ("procedure_name", Kind::Text),
            ("column_name", Kind::Text),
            ("column_type", Kind::Bigint),
            ("data_type", Kind::Bigint),
            ("type_name", Kind::Text),
            ("precision", Kind::Bigint),
            ("length", Kind::Bigint),
            ("scale", Kind::Bigint),
            ("radix", Kind::Bigint),
            ("nullable", Kind::Bigint),
            ("remarks", Kind::Text),
            ("column_def", Kind::Text),
            ("sql_data_type", Kind::Bigint),
            ("sql_datetime_sub", Kind::Bigint),
            ("char_octet_length", Kind::Bigint),
            ("ordinal_position", Kind::Bigint),
            ("is_nullable", Kind::Text),
            ("specific_name", Kind::Text),
        ],
        visible: 20,
    },
    TableSpec {
        schema: "jdbc",
        name: "procedures",
        columns: &[
            ("procedure_cat", Kind::Text),
            ("procedure_schem", Kind::Text),
            ("procedure_name", Kind::Text),
            ("remarks", Kind::Text),
            ("procedure_type", Kind::Bigint),
            ("specific_name", Kind::Text),
        ],
        visible: 6,
    },
    TableSpec {
        schema: "jdbc",
        name: "pseudo_columns",
        columns: &[
            ("table_cat", Kind::Text),
            ("table_schem", Kind::Text),
            ("table_name", Kind::Text),
            ("column_name", Kind::Text),
            ("data_type", Kind::Bigint),
            ("column_size", Kind::Bigint),
            ("decimal_digits", Kind::Bigint),
            ("num_prec_radix", Kind::Bigint),
            ("column_usage", Kind::Text),
            ("remarks", Kind::Text),
            ("char_octet_length", Kind::Bigint),
            ("is_nullable", Kind::Text),
        ],
        visible: 12,
    },
    TableSpec {
        schema: "jdbc",
        name: "schemas",
        columns: &[("table_schem", Kind::Text), ("table_catalog", Kind::Text)],
        visible: 2,
    },
    TableSpec {
        schema: "jdbc",
        name: "super_tables",
        columns: &[
            ("table_cat", Kind::Text),
            ("table_schem", Kind::Text),
            ("table_name", Kind::Text),
            ("supertable_name", Kind::Text),
        ],
        visible: 4,
    },
    TableSpec {
        schema: "jdbc",
        name: "super_types",
        columns: &[
            ("type_cat", Kind::Text),
            ("type_schem", Kind::Text),
            ("type_name", Kind::Text),
            ("supertype_cat", Kind::Text),
            ("supertype_schem", Kind::Text),
            ("supertype_name", Kind::Text),
        ],
        visible: 6,
    },
    TableSpec {
        schema: "jdbc",
        name: "table_types",
        columns: &[("table_type", Kind::Text)],
        visible: 1,
    },
    TableSpec {
        schema: "jdbc",
        name: "tables",
        columns: &[
            ("table_cat", Kind::Text),
            ("table_schem", Kind::Text),
            ("table_name", Kind::Text),
            ("table_type", Kind::Text),
            ("remarks", Kind::Text),
            ("type_cat", Kind::Text),
            ("type_schem", Kind::Text),
            ("type_name", Kind::Text),
            ("self_referencing_col_name", Kind::Text),
            ("ref_generation", Kind::Text),
        ],
        visible: 10,
    },
    TableSpec {
        schema: "jdbc",
        name: "types",
        columns: &[
            ("type_name", Kind::Text),
            ("data_type", Kind::Bigint),
            ("precision", Kind::Bigint),
            ("literal_prefix", Kind::Text),
            ("literal_suffix", Kind::Text),
            ("create_params", Kind::Text),
            ("nullable", Kind::Bigint),
            ("case_sensitive", Kind::Boolean),
            ("searchable", Kind::Bigint),
            ("unsigned_attribute", Kind::Boolean),
            ("fixed_prec_scale", Kind::Boolean),
            ("auto_increment", Kind::Boolean),
            ("local_type_name", Kind::Text),
            ("minimum_scale", Kind::Bigint),
            ("maximum_scale", Kind::Bigint),
            ("sql_data_type", Kind::Bigint),
            ("sql_datetime_sub", Kind::Bigint),
            ("num_prec_radix", Kind::Bigint),
        ],
        visible: 18,
    },
    TableSpec {
        schema: "jdbc",
        name: "udts",
        columns: &[
            ("type_cat", Kind::Text),
            ("type_schem", Kind::Text),
            ("type_name", Kind::Text),
            ("class_name", Kind::Text),
            ("data_type", Kind::Text),
            ("remarks", Kind::Text),
            ("base_type", Kind::Text),
        ],
        visible: 7,
    },
];

/// The types that `system.jdbc.types` lists.
const TYPES: [&str; 19] = [
    "boolean",
    "tinyint",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double",
    "decimal",
    "varchar",
    "char",
    "varbinary",
    "date",
    "time",
    "time with time zone",
    "timestamp",
    "timestamp with time zone",
    "interval day to second",
    "interval year to month",
    "json",
];

pub(super) async fn rows(
    engine: &QueryEngine,
    table: &str,
    wanted: &Wanted,
) -> Result<Vec<Vec<Cell>>> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    match table {
        "catalogs" => rows.extend(catalogs().map(|catalog| vec![catalog.into()])),
        "table_types" => rows.extend(["TABLE", "VIEW"].map(|kind| vec![kind.into()])),
        "schemas" => {
            for catalog in catalogs().filter(|catalog| wanted.has_catalog(catalog)) {
                for schema in schemas(engine, catalog, wanted).await? {
                    rows.push(vec![schema.into(), catalog.into()]);
                }
            }
        }
        "tables" => {
            for catalog in catalogs().filter(|catalog| wanted.has_catalog(catalog)) {
                for listed in relations(engine, catalog, wanted).await? {
                    rows.push(vec![
                        catalog.into(),
                        listed.schema().into(),
                        listed.name().into(),
                        if listed.is_view() { "VIEW" } else { "TABLE" }.into(),
                        listed.comment().into(),
                    ]);
                }
            }
        }
        "columns" => {
            for catalog in catalogs().filter(|catalog| wanted.has_catalog(catalog)) {
                for listed in relations(engine, catalog, wanted).await? {
                    let columns = columns_if_any(engine, &listed).await;
                    for (position, described) in (1_i64..).zip(&columns) {
                        rows.push(column(catalog, &listed, position, described));
                    }
                }
            }
        }
        "types" => rows.extend(TYPES.iter().map(|name| {
            let facts = Facts::of(name);
            vec![
                (*name).into(),
                facts.code.into(),
                facts.size.into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                1.into(),
                false.into(),
                3.into(),
                Cell::Null,
                false.into(),
                Cell::Null,
                Cell::Null,
                0.into(),
                0.into(),
                Cell::Null,
                Cell::Null,
                facts.radix.into(),
            ]
        })),
        // There are no procedures, types or super tables that JDBC could list.
        _ => {}
    }
    Ok(rows)
}

fn column(catalog: &str, listed: &Listed, position: i64, column: &ListedColumn) -> Vec<Cell> {
    let facts = Facts::of(&column.data_type);
    vec![
        catalog.into(),
        listed.schema().into(),
        listed.name().into(),
        column.name.as_str().into(),
        facts.code.into(),
        column.data_type.as_str().into(),
        facts.size.into(),
        0.into(),
        facts.digits.into(),
        facts.radix.into(),
        i64::from(column.is_nullable).into(),
        column.comment.as_deref().into(),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        facts.octets.into(),
        position.into(),
        if column.is_nullable { "YES" } else { "NO" }.into(),
    ]
}

/// What JDBC wants to know of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    code: i64,
    size: Option<i64>,
    digits: Option<i64>,
    radix: Option<i64>,
    octets: Option<i64>,
}

impl Facts {
    fn of(type_name: &str) -> Self {
        let base: &str = type_name.split('(').next().unwrap_or_default();
        let inner = type_name
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'));
        let numbers: Vec<i64> = inner
            .map(|(inner, _)| inner.split(','))
            .into_iter()
            .flatten()
            .filter_map(|number| number.trim().parse().ok())
            .collect();
        let first = numbers.first().copied();
        let zoned = type_name.ends_with("with time zone");
        let number = |code, size, radix| Self {
            code,
            size: Some(size),
            digits: None,
            radix: Some(radix),
            octets: None,
        };
        let sized = |code, size: Option<i64>, octets| Self {
            code,
            size,
            digits: None,
            radix: None,
            octets,
        };
        let temporal = |code, whole: i64| {
            let digits = first.unwrap_or(3);
            let fraction = if digits > 0 { digits + 1 } else { 0 };
            Self {
                digits: Some(digits),
                ..sized(code, Some(whole + fraction), None)
            }
        };
        let unbounded = Some(i64::from(i32::MAX));
        match base.trim_end() {
            "boolean" => sized(16, None, None),
            "tinyint" => number(-6, 3, 10),
            "smallint" => number(5, 5, 10),
            "integer" => number(4, 10, 10),
            "bigint" => number(-5, 19, 10),
            "real" => number(7, 24, 2),
            "double" => number(8, 53, 2),
            "decimal" => Self {
                digits: numbers.get(1).copied().or(Some(0)),
                ..number(3, first.unwrap_or(38), 10)
            },
            "varchar" => sized(12, first.or(unbounded), first.or(unbounded)),
            "char" => sized(1, first.or(Some(1)), first.or(Some(1))),
            "varbinary" => sized(-3, unbounded, unbounded),
            "date" => sized(91, Some(14), None),
            "time" if zoned => temporal(2013, 14),
            "time with time zone" => temporal(2013, 14),
            "time" => temporal(92, 8),
            "timestamp" if zoned => temporal(2014, 55),
            "timestamp with time zone" => temporal(2014, 55),
            "timestamp" => temporal(93, 21),
            "array" => sized(2003, None, None),
            _ => sized(2000, None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_codes_and_sizes_of_trino() {
        let facts = |name: &str| {
            let facts = Facts::of(name);
            (facts.code, facts.size, facts.digits, facts.radix)
        };
        assert_eq!(facts("boolean"), (16, None, None, None));
        assert_eq!(facts("decimal(10,2)"), (3, Some(10), Some(2), Some(10)));
        assert_eq!(facts("varchar"), (12, Some(2_147_483_647), None, None));
        assert_eq!(facts("varchar(10)"), (12, Some(10), None, None));
        assert_eq!(facts("time(6)"), (92, Some(15), Some(6), None));
        assert_eq!(
            facts("time(3) with time zone"),
            (2013, Some(18), Some(3), None)
        );
        assert_eq!(facts("timestamp(6)"), (93, Some(28), Some(6), None));
        assert_eq!(
            facts("timestamp(6) with time zone"),
            (2014, Some(62), Some(6), None)
        );
        assert_eq!(facts("array(integer)"), (2003, None, None, None));
        assert_eq!(facts("row(x bigint)"), (2000, None, None, None));
    }
}
