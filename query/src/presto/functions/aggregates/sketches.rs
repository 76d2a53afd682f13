//! `approx_distinct` and the sketches behind it: `approx_set`, `merge` and their cardinality.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::common::utils::normalize_float_zero;
use datafusion::error::Result;
use datafusion::functions_aggregate::approx_distinct::approx_distinct_udaf;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::counts::bigint;
use super::digests::merging;
use super::function::{Aggregate, only};
use super::sum::primitives;
use crate::presto::functions::kinds::Kind;
use crate::presto::functions::shared::{internal, invalid, normal, unexpected};
use crate::presto::numbers::java_double;

pub(super) fn definitions() -> Vec<Aggregate> {
    vec![
        Aggregate {
            state: |_| vec![DataType::Binary],
            groups: |inputs| groups(inputs.arguments),
            empty: Some(ScalarValue::Int64(Some(0))),
            ..Aggregate::new(
                "approx_distinct",
                |t| coerce("approx_distinct", t),
                bigint,
                |_| Ok(Box::new(Sketch::new(Answer::Count, Input::Values)?)),
            )
        },
        Aggregate {
            kind: |_| Ok(Some(Kind::HyperLogLog)),
            ..Aggregate::new(
                "approx_set",
                |t| coerce("approx_set", t),
                sketch,
                |_| Ok(Box::new(Sketch::new(Answer::Sketch, Input::Values)?)),
            )
        },
        Aggregate {
            kind: kind_of_sketch,
            ..Aggregate::new("merge", coerce_sketch, sketch, |inputs| {
                Ok(match merging(inputs.kind) {
                    Some(digests) => digests,
                    None => Box::new(Sketch::new(Answer::Sketch, Input::Sketches)?),
                })
            })
        },
    ]
}

fn coerce(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [one] => Ok(vec![normal(one)]),
        [one, error] if error.is_numeric() => Ok(vec![normal(one), DataType::Float64]),
        _ => Err(unexpected(name, types)),
    }
}

fn coerce_sketch(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [one] if normal(one) == DataType::Binary => Ok(vec![DataType::Binary]),
        _ => Err(unexpected("merge", types)),
    }
}

/// Sketches of all kinds are bytes: which one it is stands in the field.
fn kind_of_sketch(arguments: &[FieldRef]) -> Result<Option<Kind>> {
    let kind = arguments.first().map(|field| Kind::of(field));
    let is_sketch = kind.is_some_and(|kind| kind == Kind::HyperLogLog || merging(kind).is_some());
    if is_sketch {
        return Ok(kind);
    }
    let types: Vec<DataType> = arguments.iter().map(|f| f.data_type().clone()).collect();
    Err(unexpected("merge", &types))
}

fn sketch(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Binary)
}

/// Runs `build` with the arguments of the engine's function over hashes.
fn over_hashes<T>(build: impl FnOnce(AccumulatorArgs<'_>) -> Result<T>) -> Result<T> {
    let fields: [FieldRef; 1] = [Arc::new(Field::new("hash", DataType::UInt64, true))];
    build(AccumulatorArgs {
        return_field: Arc::new(Field::new("count", DataType::UInt64, true)),
        schema: &Schema::empty(),
        ignore_nulls: false,
        order_bys: &[],
        is_reversed: false,
        name: "approx_distinct",
        is_distinct: false,
        exprs: &[],
        expr_fields: &fields,
    })
}

/// Returns the values' hashes; NULL for NULL.
fn hashed(values: &[ArrayRef]) -> Result<ArrayRef> {
    let Some(column) = values.first() else {
        return Err(internal("a sketch without values"));
    };
    if let Some(errors) = values.get(1) {
        check_errors(errors)?;
    }
    let column = normalize_float_zero(column);
    let mut hashes = vec![0; column.len()];
    create_hashes([&column], &HLL_RANDOM_STATE, &mut hashes)?;
    Ok(Arc::new(UInt64Array::new(
        hashes.into(),
        column.logical_nulls(),
    )))
}

fn check_errors(errors: &ArrayRef) -> Result<()> {
    let errors = primitives::<Float64Type>(errors)?;
    match errors
        .iter()
        .flatten()
        .find(|error| !(0.004_062_5..=0.26).contains(error))
    {
        Some(error) => Err(invalid(format!(
            "Max standard error must be in [0.0040625, 0.26]: {}",
            java_double(error)
        ))),
        None => Ok(()),
    }
}

/// What is made of a sketch.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Count,
    Sketch,
}

/// What a sketch is made of.
#[derive(Debug, Clone, Copy)]
enum Input {
    Values,
    Sketches,
}

/// The sketch of one group.
#[derive(Debug)]
struct Sketch {
    inner: Box<dyn Accumulator>,
    answer: Answer,
    input: Input,
    is_empty: bool,
}

impl Sketch {
    fn new(answer: Answer, input: Input) -> Result<Self> {
        Ok(Self {
            inner: over_hashes(|args| approx_distinct_udaf().accumulator(args))?,
            answer,
            input,
            is_empty: true,
        })
    }

    fn merge(&mut self, sketches: &ArrayRef) -> Result<()> {
        let sketches = sketches
            .as_binary_opt::<i32>()
            .ok_or_else(|| internal("a sketch is binary"))?;
        let present: Vec<&[u8]> = sketches
            .iter()
            .flatten()
            .filter(|bytes| !bytes.is_empty())
            .collect();
        if present.iter().any(|bytes| bytes.len() != SKETCH_BYTES) {
            return Err(invalid("Cannot deserialize HyperLogLog"));
        }
        if !present.is_empty() {
            self.is_empty = false;
            let present: ArrayRef = Arc::new(BinaryArray::from(present));
            self.inner.merge_batch(&[present])?;
        }
        Ok(())
    }
}

/// The size of a sketch: one byte for each register.
const SKETCH_BYTES: usize = 16_384;

impl Accumulator for Sketch {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match self.input {
            Input::Sketches => self.merge(only(values)?),
            Input::Values => {
                let hashes = hashed(values)?;
                self.is_empty &= hashes.null_count() == hashes.len();
                self.inner.update_batch(&[hashes])
            }
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.merge(only(states)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.answer {
            Answer::Count => self.inner.evaluate()?.cast_to(&DataType::Int64),
            Answer::Sketch if self.is_empty => Ok(ScalarValue::Binary(None)),
            Answer::Sketch => self
                .inner
                .state()?
                .into_iter()
                .next()
                .ok_or_else(|| internal("a sketch without state")),
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if self.is_empty {
            return Ok(vec![ScalarValue::Binary(Some(Vec::new()))]);
        }
        self.inner.state()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

fn groups(arguments: usize) -> Option<Box<dyn GroupsAccumulator>> {
    if arguments != 1 {
        return None;
    }
    let inner = over_hashes(|args| approx_distinct_udaf().create_groups_accumulator(args)).ok()?;
    Some(Box::new(CountGroups { inner }))
}

/// The counts of many groups.
struct CountGroups {
    inner: Box<dyn GroupsAccumulator>,
}

impl GroupsAccumulator for CountGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let hashes = hashed(values)?;
        self.inner
            .update_batch(&[hashes], group_indices, opt_filter, total_num_groups)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner
            .merge_batch(values, group_indices, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(cast(&self.inner.evaluate(emit_to)?, &DataType::Int64)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&[hashed(values)?], opt_filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// Returns the sketch of no values.
pub(in crate::presto::functions) fn empty_sketch() -> Vec<u8> {
    vec![0; SKETCH_BYTES]
}

/// Returns how many values went into each sketch, about.
pub(in crate::presto::functions) fn sketch_cardinality(column: &ArrayRef) -> Result<ArrayRef> {
    let mut counts = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        if column.is_null(row) {
            counts.push(None);
            continue;
        }
        let mut sketch = Sketch::new(Answer::Count, Input::Sketches)?;
        sketch.merge(&column.slice(row, 1))?;
        counts.push(match sketch.evaluate()? {
            ScalarValue::Int64(count) => count,
            _ => None,
        });
    }
    Ok(Arc::new(Int64Array::from(counts)))
}
