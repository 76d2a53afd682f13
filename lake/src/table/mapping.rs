//! Column mapping: the names that columns have in the files of a table.
//!
//! With column mapping a column keeps its name in the files, and its number, when it is renamed.
//! Rows are renamed on their way into files; their values are not touched.

use std::sync::Arc;

use arrow::array::{ArrayData, RecordBatch, make_array};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use deltalake::kernel::schema::{DataType as DeltaType, MetadataValue, StructField, StructType};

use super::TableSnapshot;

const MODE: &str = "delta.columnMapping.mode";
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
const ID: &str = "delta.columnMapping.id";
/// Where the Parquet writer looks for the number of a column.
const FIELD_ID: &str = "PARQUET:field_id";

/// The columns of a table as its files have them.
#[derive(Debug, Clone)]
pub(super) struct FileColumns {
    pub(super) schema: SchemaRef,
    pub(super) partition_columns: Vec<String>,
}

impl FileColumns {
    /// Returns the columns of the files of a version; none when they are those of the table.
    pub(super) fn of(snapshot: &TableSnapshot) -> Option<Self> {
        let state = snapshot.delta_table().snapshot().ok()?;
        let mode = state.metadata().configuration().get(MODE)?;
        if mode.eq_ignore_ascii_case("none") {
            return None;
        }
        let columns = state.schema();
        let schema = Schema::new(file_fields(snapshot.schema().fields(), &columns));
        let partition_columns = snapshot
            .partition_columns()
            .iter()
            .map(|name| columns.field(name).map_or_else(|| name.clone(), file_name))
            .collect();
        Some(Self {
            schema: Arc::new(schema),
            partition_columns,
        })
    }

    /// Renames the columns of rows of the table to those of its files.
    pub(super) fn rename(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = self
            .schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| Ok(make_array(retype(column.to_data(), field.data_type())?)))
            .collect::<Result<Vec<_>, ArrowError>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

fn file_fields(fields: &Fields, columns: &StructType) -> Fields {
    fields
        .iter()
        .map(|field| match columns.field(field.name()) {
            Some(column) => Arc::new(file_field(field, column)),
            None => Arc::clone(field),
        })
        .collect()
}

fn file_field(field: &Field, column: &StructField) -> Field {
    let named = Field::new(
        file_name(column),
        file_type(field.data_type(), column.data_type()),
        field.is_nullable(),
    );
    match column.metadata().get(ID) {
        Some(MetadataValue::Number(id)) => {
            named.with_metadata([(FIELD_ID.to_owned(), id.to_string())].into())
        }
        _ => named,
    }
}

fn file_name(column: &StructField) -> String {
    match column.metadata().get(PHYSICAL_NAME) {
        Some(MetadataValue::String(name)) => name.clone(),
        _ => column.name().clone(),
    }
}

fn file_type(data_type: &DataType, column: &DeltaType) -> DataType {
    let inner = |field: &Arc<Field>, column: &DeltaType| {
        let renamed = file_type(field.data_type(), column);
        Arc::new(field.as_ref().clone().with_data_type(renamed))
    };
    match (data_type, column) {
        (DataType::Struct(fields), DeltaType::Struct(columns)) => {
            DataType::Struct(file_fields(fields, columns))
        }
        (DataType::List(item), DeltaType::Array(array)) => {
            DataType::List(inner(item, array.element_type()))
        }
        (DataType::Map(entries, sorted), DeltaType::Map(map)) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return data_type.clone();
            };
            let parts = fields.iter().zip([map.key_type(), map.value_type()]);
            let fields = parts.map(|(field, column)| inner(field, column)).collect();
            let entries = entries
                .as_ref()
                .clone()
                .with_data_type(DataType::Struct(fields));
            DataType::Map(Arc::new(entries), *sorted)
        }
        _ => data_type.clone(),
    }
}

/// Gives an array the names of another type of the same shape.
fn retype(data: ArrayData, data_type: &DataType) -> Result<ArrayData, ArrowError> {
    if data.data_type() == data_type {
        return Ok(data);
    }
    let inner: Vec<DataType> = match data_type {
        DataType::Struct(fields) => fields.iter().map(|f| f.data_type().clone()).collect(),
        DataType::List(item) | DataType::Map(item, _) => vec![item.data_type().clone()],
        _ => Vec::new(),
    };
    let children = data
        .child_data()
        .iter()
        .zip(&inner)
        .map(|(child, data_type)| retype(child.clone(), data_type))
        .collect::<Result<Vec<_>, _>>()?;
    data.into_builder()
        .data_type(data_type.clone())
        .child_data(children)
        .build()
}
