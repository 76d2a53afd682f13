//! Columns of files by name, whatever their letter case: names in the catalog are in lower case, those in
//! files are as their writer had them.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

/// Finds the catalog's columns in files.
#[derive(Debug)]
pub(super) struct NamesWithoutCase;

#[derive(Debug)]
struct Adapter {
    /// Works on the file's columns under the names that the catalog has for them.
    renamed: Arc<dyn PhysicalExprAdapter>,
    physical: SchemaRef,
}

impl PhysicalExprAdapterFactory for NamesWithoutCase {
    fn create(
        &self,
        logical: SchemaRef,
        physical: SchemaRef,
    ) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = rename(&logical, &physical);
        Ok(Arc::new(Adapter {
            renamed: DefaultPhysicalExprAdapterFactory.create(logical, renamed)?,
            physical,
        }))
    }
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = self.renamed.rewrite(expr)?;
        rewritten
            .transform(|expr| {
                let Some(column) = expr.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(expr));
                };
                // Statistics are looked up by the name in the file.
                Ok(match self.physical.fields().get(column.index()) {
                    Some(field) if field.name() != column.name() => {
                        Transformed::yes(Arc::new(Column::new(field.name(), column.index())))
                    }
                    _ => Transformed::no(expr),
                })
            })
            .data()
    }
}

/// Gives the file's columns the catalog's names. Of several that differ in case only, the first is taken,
/// unless one has exactly the catalog's name.
fn rename(logical: &Schema, physical: &Schema) -> SchemaRef {
    let mut fields: Vec<Field> = physical
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    for wanted in logical.fields() {
        if physical.column_with_name(wanted.name()).is_some() {
            continue;
        }
        let found = fields
            .iter_mut()
            .find(|field| field.name().eq_ignore_ascii_case(wanted.name()));
        if let Some(field) = found {
            field.set_name(wanted.name());
        }
    }
    Arc::new(Schema::new_with_metadata(
        fields,
        physical.metadata().clone(),
    ))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn columns_take_the_names_of_the_catalog() {
        let schema = |names: &[&str]| {
            let fields = names
                .iter()
                .map(|name| Field::new(*name, DataType::Int64, true));
            Schema::new(fields.collect::<Vec<_>>())
        };
        let renamed = rename(
            &schema(&["id", "flightdate", "other"]),
            &schema(&["FlightDate", "ID", "id", "x"]),
        );
        assert_eq!(*renamed, schema(&["flightdate", "ID", "id", "x"]));
    }
}
