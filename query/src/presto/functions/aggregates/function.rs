//! An aggregate function as a row of a table.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    Volatility, udaf_default_return_field,
};

use super::distinct::{Distinct, distinct_state};
use super::sliding::Recompute;
use crate::presto::functions::kinds::Kind;
use crate::presto::functions::shared::internal;

/// What an accumulator is built for.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// The function's name.
    pub(super) name: &'static str,
    /// The types of the arguments, then those of the ORDER BY expressions.
    pub(super) types: Vec<DataType>,
    /// How many of the types are arguments.
    pub(super) arguments: usize,
    /// How the ORDER BY expressions sort.
    pub(super) orders: Vec<SortOptions>,
    /// The type of the result.
    pub(super) returns: DataType,
    /// The same, if Arrow's type does not tell.
    pub(super) kind: Kind,
}

impl Inputs {
    /// Returns the type of an argument.
    pub(super) fn argument(&self, place: usize) -> DataType {
        self.types.get(place).cloned().unwrap_or(DataType::Null)
    }
}

/// Whether ORDER BY inside the call matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Any order gives the same answer.
    Free,
    /// The accumulator sorts by the expressions that follow its arguments.
    Sorts,
}

/// Builds an accumulator.
pub(super) type Build = fn(&Inputs) -> Result<Box<dyn Accumulator>>;

/// A function: its name, how its arguments are converted, its type and how it accumulates.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) name: &'static str,
    pub(super) coerce: fn(&[DataType]) -> Result<Vec<DataType>>,
    pub(super) returns: fn(&[DataType]) -> Result<DataType>,
    /// What the result is where Arrow's type does not tell.
    pub(super) kind: fn(&[FieldRef]) -> Result<Option<Kind>>,
    /// The types of the columns between a partial and a final aggregation.
    pub(super) state: fn(&Inputs) -> Vec<DataType>,
    pub(super) accumulator: Build,
    /// For many groups at once, if the types allow.
    pub(super) groups: fn(&Inputs) -> Option<Box<dyn GroupsAccumulator>>,
    /// For frames that slide; if none, each frame is computed anew.
    pub(super) sliding: Option<Build>,
    pub(super) order: Order,
    /// The value of no rows; NULL if none.
    pub(super) empty: Option<ScalarValue>,
    pub(super) signature: Signature,
}

impl Aggregate {
    /// Returns a function with one state column of the result's type, NULL for no rows, indifferent to order.
    pub(super) fn new(
        name: &'static str,
        coerce: fn(&[DataType]) -> Result<Vec<DataType>>,
        returns: fn(&[DataType]) -> Result<DataType>,
        accumulator: Build,
    ) -> Self {
        Self {
            name,
            coerce,
            returns,
            kind: |_| Ok(None),
            state: |inputs| vec![inputs.returns.clone()],
            accumulator,
            groups: |_| None,
            sliding: None,
            order: Order::Free,
            empty: None,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn inputs(&self, args: &AccumulatorArgs<'_>) -> Result<Inputs> {
        let mut types: Vec<DataType> = args
            .expr_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let arguments = types.len();
        let mut orders = Vec::new();
        if self.order == Order::Sorts {
            for sort in args.order_bys {
                types.push(sort.expr.data_type(args.schema)?);
                orders.push(sort.options);
            }
        }
        Ok(Inputs {
            name: self.name,
            types,
            arguments,
            orders,
            returns: args.return_field.data_type().clone(),
            kind: Kind::of(&args.return_field),
        })
    }
}

impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Aggregate {}

impl Hash for Aggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        // The planner would turn an error into text; `return_type` says it with its name.
        Ok((self.coerce)(arguments).unwrap_or_else(|_| arguments.to_vec()))
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        (self.returns)(&(self.coerce)(arguments)?)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let field = udaf_default_return_field(self, arguments)?;
        let data_type = field.data_type().clone();
        Ok(match (self.kind)(arguments)? {
            Some(kind) => Arc::new(kind.result_field(self.name, data_type)),
            None => field,
        })
    }

    fn is_nullable(&self) -> bool {
        self.empty.is_none()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match &self.empty {
            Some(value) => Ok(value.clone()),
            None => ScalarValue::try_from(data_type),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let inputs = self.inputs(&args)?;
        if args.is_distinct {
            return Ok(Box::new(Distinct::new(inputs, self.accumulator)?));
        }
        (self.accumulator)(&inputs)
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let inputs = self.inputs(&args)?;
        if args.is_distinct {
            let factory = self.accumulator;
            return Ok(Box::new(Recompute::new(Box::new(move || {
                Ok(Box::new(Distinct::new(inputs.clone(), factory)?))
            }))));
        }
        match self.sliding {
            Some(sliding) => sliding(&inputs),
            None => {
                let factory = self.accumulator;
                Ok(Box::new(Recompute::new(Box::new(move || factory(&inputs)))))
            }
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let types_of = |fields: &[FieldRef]| -> Vec<DataType> {
            fields
                .iter()
                .map(|field| field.data_type().clone())
                .collect()
        };
        let mut types = types_of(args.input_fields);
        let arguments = types.len();
        if self.order == Order::Sorts {
            types.extend(types_of(args.ordering_fields));
        }
        let inputs = Inputs {
            name: self.name,
            types,
            arguments,
            orders: Vec::new(),
            returns: args.return_field.data_type().clone(),
            kind: Kind::of(&args.return_field),
        };
        let states = if args.is_distinct {
            vec![distinct_state(&inputs)]
        } else {
            (self.state)(&inputs)
        };
        let field = |(place, data_type): (usize, DataType)| -> FieldRef {
            let name = format_state_name(args.name, &format!("state{place}"));
            Arc::new(Field::new(name, data_type, true))
        };
        Ok(states.into_iter().enumerate().map(field).collect())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
            && self
                .inputs(&args)
                .is_ok_and(|inputs| (self.groups)(&inputs).is_some())
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        (self.groups)(&self.inputs(&args)?)
            .ok_or_else(|| internal("the function has no accumulator of groups"))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        match self.order {
            Order::Free => AggregateOrderSensitivity::Insensitive,
            // The accumulator sorts for itself, whatever the order of its input.
            Order::Sorts => AggregateOrderSensitivity::Beneficial,
        }
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        _: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.order {
            Order::Free => ReversedUDAF::Identical,
            Order::Sorts => ReversedUDAF::NotSupported,
        }
    }

    fn set_monotonicity(&self, _: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}

/// Returns the only column.
pub(super) fn only(values: &[ArrayRef]) -> Result<&ArrayRef> {
    values
        .first()
        .ok_or_else(|| internal("an aggregate without arguments"))
}
