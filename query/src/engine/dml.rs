//! Statements that write rows: a query, then one commit.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{CreateTable, Insert, Statement, TableObject};
use futures::TryStreamExt;
use lake::{AppendCommit, AppendOutcome};

use super::names::Names;
use super::session::SessionSettings;
use super::{QueryEngine, ddl};
use crate::{Error, Result};

/// Runs `INSERT INTO … VALUES | SELECT` and returns the number of rows.
pub(super) async fn insert(
    engine: &QueryEngine,
    insert: Insert,
    session: &SessionSettings,
) -> Result<u64> {
    let TableObject::TableName(name) = &insert.table else {
        return Err(Error::NotSupported {
            what: "INSERT into something else than a table".to_owned(),
        });
    };
    if insert.overwrite
        || insert.on.is_some()
        || insert.returning.is_some()
        || insert.partitioned.is_some()
    {
        return Err(Error::NotSupported {
            what: "INSERT with OVERWRITE, ON CONFLICT, RETURNING or PARTITION".to_owned(),
        });
    }
    let table = engine.lake().table(&Names::table(name, session)?).await?;
    let schema = table.schema().await?;
    let source = insert.source.ok_or_else(|| Error::NotSupported {
        what: "INSERT without VALUES or SELECT".to_owned(),
    })?;
    let columns: Vec<String> = if insert.columns.is_empty() {
        schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    } else {
        insert
            .columns
            .iter()
            .map(|column| column.to_string().trim_matches('"').to_ascii_lowercase())
            .collect()
    };
    let batches = collect(engine, Statement::Query(source), session).await?;
    let batches = batches
        .iter()
        .map(|batch| arrange(batch, &columns, &schema))
        .collect::<Result<Vec<_>>>()?;
    append(&table, batches).await
}

/// Runs `CREATE TABLE … AS SELECT` and returns the number of rows.
pub(super) async fn create_table_as(
    engine: &QueryEngine,
    mut create: CreateTable,
    session: &SessionSettings,
) -> Result<u64> {
    let name = Names::table(&create.name, session)?;
    let query = create.query.take().ok_or_else(|| Error::Internal {
        message: "CTAS without query".to_owned(),
    })?;
    if !create.columns.is_empty() {
        return Err(Error::NotSupported {
            what: "CREATE TABLE AS with a column list".to_owned(),
        });
    }
    match engine.lake().catalog().table(&name).await {
        Ok(_) if create.if_not_exists => return Ok(0),
        Ok(_) => {
            return Err(lake::Error::TableAlreadyExists {
                name: name.to_string(),
            }
            .into());
        }
        Err(lake::Error::TableNotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let result = Box::pin(engine.run_statement(Statement::Query(query), session)).await?;
    let fields: Vec<Field> = result
        .schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), storable(field.data_type()), true))
        .collect();
    let schema = Schema::new(fields);
    let definition = ddl::definition(name.clone(), schema.clone(), &create)?;
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let batches: Vec<RecordBatch> = result.rows.try_collect().await.map_err(Error::Execution)?;
    let schema: SchemaRef = Arc::new(schema);
    let batches = batches
        .iter()
        .map(|batch| arrange(batch, &columns, &schema))
        .collect::<Result<Vec<_>>>()?;
    ddl::create_defined(engine.lake(), definition, create.if_not_exists).await?;
    append(&engine.lake().table(&name).await?, batches).await
}

async fn collect(
    engine: &QueryEngine,
    statement: Statement,
    session: &SessionSettings,
) -> Result<Vec<RecordBatch>> {
    let result = Box::pin(engine.run_statement(statement, session)).await?;
    result.rows.try_collect().await.map_err(Error::Execution)
}

async fn append(table: &lake::LakeTable, batches: Vec<RecordBatch>) -> Result<u64> {
    if batches.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(0);
    }
    match table.append(batches, AppendCommit::default()).await? {
        AppendOutcome::Committed { rows, .. } => Ok(rows),
        other => Err(Error::Internal {
            message: format!("an append without ranges ended as {other:?}"),
        }),
    }
}

/// Returns the rows of `batch`, whose columns are `names` in order, as rows of `schema`.
fn arrange(batch: &RecordBatch, names: &[String], schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != names.len() {
        return Err(Error::Invalid {
            message: format!(
                "the query has {} columns, but {} are to be inserted",
                batch.num_columns(),
                names.len()
            ),
        });
    }
    if let Some(unknown) = names
        .iter()
        .find(|name| schema.column_with_name(name).is_none())
    {
        return Err(Error::Invalid {
            message: format!("column `{unknown}` does not exist in the table"),
        });
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            let found = names.iter().position(|name| name == field.name());
            match found.and_then(|position| batch.columns().get(position)) {
                Some(values) => {
                    cast_with_options(values, field.data_type(), &options).map_err(|error| {
                        Error::Invalid {
                            message: format!("column `{}`: {error}", field.name()),
                        }
                    })
                }
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| Error::Invalid {
        message: error.to_string(),
    })
}

/// Returns the type a Delta table stores for `data_type`.
fn storable(data_type: &DataType) -> DataType {
    use arrow::datatypes::TimeUnit;
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Date64 => DataType::Date32,
        DataType::Dictionary(_, value) => storable(value),
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    }
}
