//! SQL types into Arrow fields.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::error::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType;

use crate::presto::error::TrinoFailure;
use crate::presto::type_parser::parse_type;
use crate::presto::typing::{presto_type_parameters, type_text};

/// Plans Presto's types, with what Arrow has no type for in the field's metadata.
#[derive(Debug)]
pub(super) struct PrestoTypes;

impl TypePlanner for PrestoTypes {
    fn plan_type_field(&self, sql_type: &DataType) -> Result<Option<FieldRef>> {
        let (zone, is_cast) = match presto_type_parameters(sql_type) {
            Some([_, zone]) => (zone.as_str(), true),
            _ => ("UTC", false),
        };
        let field = parse_type(&type_text(sql_type), zone).map_err(|failure| {
            // The name of a column's type is missing; that of a cast does not fit the value.
            if is_cast && failure.name == "TYPE_NOT_FOUND" {
                return TrinoFailure::new("TYPE_MISMATCH", failure.message);
            }
            failure
        })?;
        Ok(Some(Arc::new(field)))
    }
}
