//! Schemas and tables come and go.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CommentDef, CreateTable, CreateTableOptions, Expr, ObjectName,
    ObjectType, SchemaName, SqlOption, Value,
};
use lake::{AsOf, Column, Database, ExternalTable, Lake, OpenTable, TableDefinition, TableName};

use super::names::{Names, quote_literal};
use super::session::SessionSettings;
use crate::presto::types::{column_type, type_name};
use crate::{Error, Result};

pub(super) async fn create_schema(
    lake: &Lake,
    name: &SchemaName,
    if_not_exists: bool,
) -> Result<()> {
    let SchemaName::Simple(name) = name else {
        return Err(Error::NotSupported {
            what: "CREATE SCHEMA with AUTHORIZATION".to_owned(),
        });
    };
    match lake
        .catalog()
        .create_database(Database::named(Names::schema(name)?))
        .await
    {
        Err(lake::Error::DatabaseAlreadyExists { .. }) if if_not_exists => Ok(()),
        other => Ok(other?),
    }
}

pub(super) async fn create_table(
    lake: &Lake,
    create: CreateTable,
    session: &SessionSettings,
) -> Result<()> {
    let name = Names::table(&create.name, session)?;
    let fields = create
        .columns
        .iter()
        .map(field)
        .collect::<Result<Vec<_>>>()?;
    if fields.is_empty() {
        return Err(Error::Invalid {
            message: format!("table `{name}` needs at least one column"),
        });
    }
    let if_not_exists = create.if_not_exists;
    let definition = definition(name, Schema::new(fields), &create)?;
    create_defined(lake, definition, if_not_exists).await
}

pub(super) async fn create_defined(
    lake: &Lake,
    definition: TableDefinition,
    if_not_exists: bool,
) -> Result<()> {
    match lake.create_table(definition).await {
        Err(lake::Error::TableAlreadyExists { .. }) if if_not_exists => Ok(()),
        other => {
            other?;
            Ok(())
        }
    }
}

/// Returns what `create` says of the table besides its columns.
pub(super) fn definition(
    name: TableName,
    schema: Schema,
    create: &CreateTable,
) -> Result<TableDefinition> {
    if create.or_replace || create.temporary || create.external || create.location.is_some() {
        return Err(Error::NotSupported {
            what: "CREATE TABLE with OR REPLACE, TEMPORARY, EXTERNAL or LOCATION".to_owned(),
        });
    }
    let text = |comment: &CommentDef| match comment {
        CommentDef::WithEq(text) | CommentDef::WithoutEq(text) => text.clone(),
    };
    let mut comment = create.comment.as_ref().map(text);
    let (mut partition_columns, mut properties) = (Vec::new(), BTreeMap::new());
    let options: &[SqlOption] = match &create.table_options {
        CreateTableOptions::None => &[],
        CreateTableOptions::With(options) | CreateTableOptions::Plain(options) => options,
        other => {
            return Err(Error::NotSupported {
                what: format!("table options `{other}`"),
            });
        }
    };
    for option in options {
        match option {
            SqlOption::KeyValue {
                key,
                value: Expr::Array(array),
            } if key.value.eq_ignore_ascii_case("partitioned_by") => {
                partition_columns = array.elem.iter().map(literal).collect::<Result<_>>()?;
            }
            SqlOption::Comment(words) => comment = Some(text(words)),
            SqlOption::KeyValue { key, value } => {
                properties.insert(key.value.to_ascii_lowercase(), literal(value)?);
            }
            other => {
                return Err(Error::NotSupported {
                    what: format!("table option `{other}`"),
                });
            }
        }
    }
    Ok(TableDefinition {
        name,
        schema: Arc::new(schema),
        comment,
        partition_columns,
        properties,
    })
}

fn literal(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => Ok(text.clone()),
            other => Ok(other.to_string()),
        },
        other => Err(Error::Invalid {
            message: format!("`{other}` is not a literal"),
        }),
    }
}

fn field(column: &ColumnDef) -> Result<Field> {
    let mut nullable = true;
    let mut metadata = std::collections::HashMap::new();
    for option in &column.options {
        match &option.option {
            ColumnOption::NotNull => nullable = false,
            ColumnOption::Null => {}
            ColumnOption::Comment(text) => {
                metadata.insert("comment".to_owned(), text.clone());
            }
            other => {
                return Err(Error::NotSupported {
                    what: format!("column option `{other}`"),
                });
            }
        }
    }
    let name = column.name.value.to_ascii_lowercase();
    Ok(Field::new(name, column_type(&column.data_type)?, nullable).with_metadata(metadata))
}

pub(super) async fn drop(
    lake: &Lake,
    object: ObjectType,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
    session: &SessionSettings,
) -> Result<&'static str> {
    if cascade {
        return Err(Error::NotSupported {
            what: "DROP … CASCADE".to_owned(),
        });
    }
    let [name] = names else {
        return Err(Error::NotSupported {
            what: "DROP of several objects at once".to_owned(),
        });
    };
    match object {
        ObjectType::Table => match lake.drop_table(&Names::table(name, session)?).await {
            Err(lake::Error::TableNotFound { .. } | lake::Error::DatabaseNotFound { .. })
                if if_exists =>
            {
                Ok("DROP TABLE")
            }
            other => other.map(|()| "DROP TABLE").map_err(Error::from),
        },
        ObjectType::Schema | ObjectType::Database => {
            match lake.catalog().drop_database(&Names::schema(name)?).await {
                Err(lake::Error::DatabaseNotFound { .. }) if if_exists => Ok("DROP SCHEMA"),
                other => other.map(|()| "DROP SCHEMA").map_err(Error::from),
            }
        }
        other => Err(Error::NotSupported {
            what: format!("DROP {other}"),
        }),
    }
}

pub(super) async fn show_create(lake: &Lake, name: &TableName) -> Result<String> {
    let table = match lake.open_table(name).await? {
        OpenTable::Files(table) => return Ok(show_create_external(&table)),
        OpenTable::Delta(table) => table,
    };
    let entry = lake.catalog().table(name).await?;
    let snapshot = table.snapshot(AsOf::Latest).await?;
    let columns: Vec<String> = snapshot
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let mut line = format!("   {} {}", field.name(), type_name(field.data_type()));
            if !field.is_nullable() {
                line.push_str(" NOT NULL");
            }
            if let Some(comment) = entry.column_comments.get(field.name()) {
                let _ = write!(line, " COMMENT '{}'", comment.replace('\'', "''"));
            }
            line
        })
        .collect();
    let mut text = format!(
        "CREATE TABLE {}.{name} (\n{}\n)",
        super::CATALOG,
        columns.join(",\n")
    );
    if let Some(comment) = &entry.comment {
        let _ = write!(text, "\nCOMMENT '{}'", comment.replace('\'', "''"));
    }
    if !snapshot.partition_columns().is_empty() {
        let columns = snapshot.partition_columns().join("', '");
        let _ = write!(text, "\nWITH (partitioned_by = ARRAY['{columns}'])");
    }
    Ok(text)
}

fn show_create_external(table: &ExternalTable) -> String {
    let entry = table.entry();
    let columns = |columns: &[Column]| -> String {
        let lines: Vec<String> = columns
            .iter()
            .map(|column| {
                let mut line = format!("   {} {}", column.name, column.data_type);
                if let Some(comment) = &column.comment {
                    let _ = write!(line, " COMMENT {}", quote_literal(comment));
                }
                line
            })
            .collect();
        lines.join(",\n")
    };
    let mut text = format!(
        "CREATE EXTERNAL TABLE {}.{} (\n{}\n)",
        super::CATALOG,
        entry.name,
        columns(&entry.columns)
    );
    if let Some(comment) = &entry.comment {
        let _ = write!(text, "\nCOMMENT {}", quote_literal(comment));
    }
    if !entry.partition_keys.is_empty() {
        let keys = columns(&entry.partition_keys);
        let _ = write!(text, "\nPARTITIONED BY (\n{keys}\n)");
    }
    let pairs = |pairs: &BTreeMap<String, String>| -> String {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{} = {}", quote_literal(key), quote_literal(value)))
            .collect();
        pairs.join(", ")
    };
    if let (Some(serde), false) = (
        &entry.storage.serde,
        entry.storage.serde_parameters.is_empty(),
    ) {
        let _ = write!(
            text,
            "\nROW FORMAT SERDE {} WITH SERDEPROPERTIES ({})",
            quote_literal(serde),
            pairs(&entry.storage.serde_parameters)
        );
    }
    let stored = if entry.storage.is_plain_text() {
        "TEXTFILE".to_owned()
    } else {
        entry.format.to_string().to_uppercase()
    };
    let _ = write!(
        text,
        "\nSTORED AS {stored}\nLOCATION {}",
        quote_literal(&entry.location)
    );
    if !entry.properties.is_empty() {
        let _ = write!(text, "\nTBLPROPERTIES ({})", pairs(&entry.properties));
    }
    text
}
