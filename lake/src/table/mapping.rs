//! Column mapping: the names that columns have in the files of a table.
//!
//! With column mapping a column keeps its name in the files, and its number, when it is renamed.
//! Rows are renamed on their way into files; their values are not touched.

use std::sync::Arc;

use arrow::array::{ArrayData, RecordBatch, make_array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use deltalake::DeltaResult;
use deltalake::kernel::schema::{
    ArrayType, DataType as DeltaType, MapType, MetadataValue, StructField, StructType,
};
use uuid::Uuid;

use super::{LakeTable, TableSnapshot};
use crate::error::Result;

const MODE: &str = "delta.columnMapping.mode";
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
const ID: &str = "delta.columnMapping.id";
/// The highest number that a column of the table has, or had.
pub(super) const MAX_ID: &str = "delta.columnMapping.maxColumnId";
/// Where the Parquet writer looks for the number of a column.
const FIELD_ID: &str = "PARQUET:field_id";

/// How files name the columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As the table does.
    None,
    /// By names of their own.
    Name,
    /// By numbers.
    Id,
}

/// The columns of a version as its files have them.
#[derive(Debug, Clone)]
pub(crate) struct FileColumns {
    /// All columns, in the table's order.
    pub(crate) schema: SchemaRef,
    /// The columns that files are partitioned by, in order.
    pub(crate) partition_columns: Vec<String>,
    /// The table's names, in the order of `schema`.
    names: Vec<String>,
    is_mapped: bool,
}

impl FileColumns {
    /// Returns the columns of the files of a version.
    pub(crate) fn of(snapshot: &TableSnapshot) -> Self {
        let table = snapshot.schema();
        let names = table.fields().iter().map(|field| field.name().clone());
        let names = names.collect();
        let columns = match snapshot.delta_table().snapshot() {
            Ok(state) if mode(snapshot) != Mode::None => state.schema(),
            _ => {
                return Self {
                    schema: table,
                    partition_columns: snapshot.partition_columns().to_vec(),
                    names,
                    is_mapped: false,
                };
            }
        };
        let schema = Schema::new(file_fields(table.fields(), &columns));
        let partition_columns = snapshot
            .partition_columns()
            .iter()
            .map(|name| columns.field(name).map_or_else(|| name.clone(), file_name))
            .collect();
        Self {
            schema: Arc::new(schema),
            partition_columns,
            names,
            is_mapped: true,
        }
    }

    /// Returns the positions of the columns that are in files: those which they are partitioned by
    /// are in the log.
    pub(crate) fn stored(&self) -> Vec<usize> {
        let fields = self.schema.fields().iter().enumerate();
        fields
            .filter(|(_, field)| !self.partition_columns.contains(field.name()))
            .map(|(index, _)| index)
            .collect()
    }

    /// Returns the columns that are in files.
    ///
    /// # Errors
    ///
    /// None: the positions are the schema's own.
    pub(crate) fn file_schema(&self) -> Result<SchemaRef, ArrowError> {
        self.schema.project(&self.stored()).map(Arc::new)
    }

    /// Returns the name that files have for a column of the table.
    pub(crate) fn file_name(&self, column: &str) -> Option<&str> {
        let index = self.names.iter().position(|name| name == column)?;
        self.schema
            .fields()
            .get(index)
            .map(|field| field.name().as_str())
    }

    /// Returns the name that the table has for a column of its files.
    pub(crate) fn table_name(&self, column: &str) -> Option<&str> {
        let (index, _) = self.schema.fields().find(column)?;
        self.names.get(index).map(String::as_str)
    }

    /// Renames the columns of rows of the table to those of its files.
    ///
    /// # Errors
    ///
    /// Those of rows with other columns than the table's.
    pub(crate) fn rename(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if !self.is_mapped {
            return Ok(batch.clone());
        }
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

fn mode(snapshot: &TableSnapshot) -> Mode {
    match snapshot.property(MODE) {
        Some(mode) if mode.eq_ignore_ascii_case("name") => Mode::Name,
        Some(mode) if mode.eq_ignore_ascii_case("id") => Mode::Id,
        _ => Mode::None,
    }
}

/// Reports whether files may have other names for the columns of a version.
pub(crate) fn is_mapped(snapshot: &TableSnapshot) -> bool {
    mode(snapshot) != Mode::None
}

impl LakeTable {
    /// Refuses a version whose files tell columns by their numbers, for what finds them by name.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFeature`](crate::Error::UnsupportedFeature) says when: "when files are compacted".
    pub(crate) fn require_names_in_files(
        &self,
        snapshot: &TableSnapshot,
        when: &str,
    ) -> Result<()> {
        if mode(snapshot) != Mode::Id {
            return Ok(());
        }
        Err(self.unsupported(format!("`columnMapping` by `id` {when}")))
    }
}

/// Returns the columns that the files of a version get statistics of, by their names in files;
/// none when no property names them.
pub(crate) fn statistics_columns(snapshot: &TableSnapshot) -> Option<Vec<String>> {
    let state = snapshot.delta_table().snapshot().ok()?;
    let schema = state.schema();
    let named = state.table_config().data_skipping_stats_columns.as_ref()?;
    let in_files = named.iter().map(|column| match mode(snapshot) {
        Mode::None => column.to_string(),
        Mode::Name | Mode::Id => quoted_path(&schema, column.path()),
    });
    Some(in_files.collect())
}

/// Returns the names in files of a column within columns, each in backticks, with dots between.
fn quoted_path(columns: &StructType, path: &[String]) -> String {
    let (mut names, mut columns) = (Vec::new(), Some(columns));
    for name in path {
        let column = columns.and_then(|columns| columns.field(name));
        let stored = column.map_or_else(|| name.clone(), file_name);
        names.push(format!("`{}`", stored.replace('`', "``")));
        columns = column.and_then(|column| match column.data_type() {
            DeltaType::Struct(inner) => Some(inner.as_ref()),
            _ => None,
        });
    }
    names.join(".")
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
    let inner = |field: &FieldRef, column: &DeltaType| {
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

/// Returns columns under the names that files have for them, as if there were no mapping.
///
/// # Errors
///
/// Two columns of one name in files.
pub(super) fn unmapped(columns: &StructType) -> DeltaResult<StructType> {
    let fields = columns
        .fields()
        .map(|column| {
            let data_type = unmapped_type(column.data_type())?;
            let name = file_name(column);
            Ok(StructField::new(name, data_type, column.is_nullable()))
        })
        .collect::<DeltaResult<Vec<_>>>()?;
    Ok(StructType::try_new(fields)?)
}

fn unmapped_type(data_type: &DeltaType) -> DeltaResult<DeltaType> {
    Ok(match data_type {
        DeltaType::Struct(columns) => DeltaType::from(unmapped(columns)?),
        DeltaType::Array(array) => DeltaType::from(ArrayType::new(
            unmapped_type(array.element_type())?,
            array.contains_null(),
        )),
        DeltaType::Map(map) => DeltaType::from(MapType::new(
            unmapped_type(map.key_type())?,
            unmapped_type(map.value_type())?,
            map.value_contains_null(),
        )),
        _ => data_type.clone(),
    })
}

/// Gives new columns, and the columns within them, names in files and the numbers after
/// `last_id`, which is moved on.
///
/// # Errors
///
/// Two columns of one name within a column.
pub(super) fn assign(
    columns: impl Iterator<Item = StructField>,
    last_id: &mut i64,
) -> DeltaResult<Vec<StructField>> {
    let mut assigned = Vec::new();
    for column in columns {
        *last_id += 1;
        let mapping = [
            (ID.to_owned(), MetadataValue::Number(*last_id)),
            (
                PHYSICAL_NAME.to_owned(),
                MetadataValue::String(format!("col-{}", Uuid::new_v4())),
            ),
        ];
        let data_type = assign_within(column.data_type(), last_id)?;
        let metadata = column.metadata().clone().into_iter().chain(mapping);
        assigned.push(
            StructField::new(column.name(), data_type, column.is_nullable())
                .with_metadata(metadata),
        );
    }
    Ok(assigned)
}

fn assign_within(data_type: &DeltaType, last_id: &mut i64) -> DeltaResult<DeltaType> {
    Ok(match data_type {
        DeltaType::Struct(columns) => {
            let columns = assign(columns.fields().cloned(), last_id)?;
            DeltaType::from(StructType::try_new(columns)?)
        }
        DeltaType::Array(array) => DeltaType::from(ArrayType::new(
            assign_within(array.element_type(), last_id)?,
            array.contains_null(),
        )),
        DeltaType::Map(map) => DeltaType::from(MapType::new(
            assign_within(map.key_type(), last_id)?,
            assign_within(map.value_type(), last_id)?,
            map.value_contains_null(),
        )),
        _ => data_type.clone(),
    })
}

/// Returns the highest number that a column has, at any depth; 0 without any.
pub(super) fn highest_id(columns: &StructType) -> i64 {
    let of_column = |column: &StructField| {
        let own = match column.metadata().get(ID) {
            Some(MetadataValue::Number(id)) => *id,
            _ => 0,
        };
        own.max(highest_id_within(column.data_type()))
    };
    columns.fields().map(of_column).max().unwrap_or(0)
}

fn highest_id_within(data_type: &DeltaType) -> i64 {
    match data_type {
        DeltaType::Struct(columns) => highest_id(columns),
        DeltaType::Array(array) => highest_id_within(array.element_type()),
        DeltaType::Map(map) => {
            highest_id_within(map.key_type()).max(highest_id_within(map.value_type()))
        }
        _ => 0,
    }
}

/// Gives an array the names of another type of the same shape.
///
/// # Errors
///
/// A type of another shape.
pub(super) fn retype(data: ArrayData, data_type: &DataType) -> Result<ArrayData, ArrowError> {
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
