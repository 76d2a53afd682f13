//! A scalar function of the library: overloads from the catalogue, one body for all of them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use super::call::Call;
use super::catalogue::{FunctionDescription, describe};
use super::kinds::{Kind, plain};
use super::shared::as_char;
use crate::presto::error::TrinoFailure;
use crate::presto::opaque::JSON;
use crate::presto::types::field_type_name;

/// What the result type of a call may depend on.
pub(super) struct Planned<'a> {
    /// The arguments' types as the body reads them.
    pub(super) types: &'a [DataType],
    /// Arguments that are constants.
    pub(super) constants: &'a [Option<ScalarValue>],
    /// The session's time zone.
    pub(super) zone: &'a str,
    /// The result type in the catalogue.
    pub(super) returns: &'static str,
}

impl Planned<'_> {
    /// Returns the text of a constant argument.
    pub(super) fn text(&self, position: usize) -> Option<String> {
        let value = self.constants.get(position)?.as_ref()?;
        value.try_as_str().flatten().map(str::to_owned)
    }

    pub(super) fn type_at(&self, position: usize) -> DataType {
        self.types.get(position).cloned().unwrap_or(DataType::Null)
    }
}

type Body = fn(&Call) -> Result<ArrayRef>;
type ReturnRule = fn(&Planned<'_>) -> Result<DataType>;

/// A function's body, and what the catalogue does not say about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    name: &'static str,
    body: Body,
    returns: Option<ReturnRule>,
    keeps_char: bool,
}

impl Entry {
    pub(super) const fn new(name: &'static str, body: Body) -> Self {
        Self {
            name,
            body,
            returns: None,
            keeps_char: false,
        }
    }

    /// With a result type that depends on the arguments.
    pub(super) const fn returning(mut self, rule: ReturnRule) -> Self {
        self.returns = Some(rule);
        self
    }

    /// With a result of `char(n)` if the first argument is.
    pub(super) const fn keeping_char(mut self) -> Self {
        self.keeps_char = true;
        self
    }

    #[cfg(test)]
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn build(self, zone: &Arc<str>) -> ScalarUDF {
        ScalarUDF::from(Scalar::new(self, Arc::clone(zone)))
    }
}

#[derive(Debug)]
struct Overload {
    kinds: Vec<Kind>,
    is_variadic: bool,
    returns: &'static str,
    result: Kind,
}

impl Overload {
    fn kind_at(&self, position: usize) -> Kind {
        let last = self.kinds.last().copied();
        self.kinds
            .get(position)
            .copied()
            .or(last)
            .unwrap_or(Kind::Any)
    }

    fn distance(&self, arguments: &[Kind]) -> Option<u32> {
        let fits = if self.is_variadic {
            arguments.len() >= self.kinds.len()
        } else {
            arguments.len() == self.kinds.len()
        };
        if !fits {
            return None;
        }
        let each = arguments.iter().enumerate();
        each.map(|(position, kind)| kind.distance(self.kind_at(position)))
            .sum()
    }
}

#[derive(Debug)]
struct Scalar {
    entry: Entry,
    signature: Signature,
    overloads: Vec<Overload>,
    zone: Arc<str>,
}

impl Scalar {
    fn new(entry: Entry, zone: Arc<str>) -> Self {
        let lines = describe(entry.name);
        let overloads = lines.iter().filter_map(|line| {
            Some(Overload {
                kinds: line.arguments()?,
                is_variadic: line.is_variadic,
                returns: line.return_type,
                result: Kind::parse(line.return_type)?,
            })
        });
        let volatility = match lines {
            [
                FunctionDescription {
                    is_deterministic: false,
                    ..
                },
                ..,
            ] => Volatility::Volatile,
            _ => Volatility::Immutable,
        };
        Self {
            entry,
            signature: Signature::new(TypeSignature::UserDefined, volatility),
            overloads: overloads.collect(),
            zone,
        }
    }

    fn resolve(&self, fields: &[FieldRef]) -> Result<&Overload> {
        let kinds: Vec<Kind> = fields.iter().map(|field| Kind::of(field)).collect();
        let best = self
            .overloads
            .iter()
            .filter_map(|overload| Some((overload.distance(&kinds)?, overload)))
            .min_by_key(|(distance, _)| *distance);
        best.map(|(_, overload)| overload).ok_or_else(|| {
            let actual: Vec<String> = fields.iter().map(|field| field_type_name(field)).collect();
            let known = describe(self.entry.name);
            let expected: Vec<String> = known
                .iter()
                .map(|line| format!("{}({})", line.name, line.argument_types))
                .collect();
            let message = format!(
                "Unexpected parameters ({}) for function {}. Expected: {}",
                actual.join(", "),
                self.entry.name,
                expected.join(", ")
            );
            TrinoFailure::new("FUNCTION_NOT_FOUND", message).into()
        })
    }

    fn canonical_types(&self, overload: &Overload, fields: &[FieldRef]) -> Vec<DataType> {
        let each = fields.iter().enumerate();
        each.map(|(position, field)| {
            let wanted = overload.kind_at(position);
            wanted.canonical(field.data_type(), &self.zone)
        })
        .collect()
    }

    fn result_type(&self, overload: &Overload, planned: &Planned<'_>) -> Result<DataType> {
        if let Some(rule) = self.entry.returns {
            return rule(planned);
        }
        let unit = planned.types.iter().find_map(|known| match known {
            DataType::Timestamp(unit, zone) => Some((*unit, zone.clone())),
            _ => None,
        });
        let written = match overload.returns.split(['(', ')']).nth(1) {
            Some("3") => Some(TimeUnit::Millisecond),
            Some("9") => Some(TimeUnit::Nanosecond),
            _ => None,
        };
        let of_unit = |other: Option<TimeUnit>| {
            let other = other.unwrap_or(TimeUnit::Millisecond);
            written.unwrap_or(other)
        };
        Ok(match overload.result {
            Kind::Timestamp => DataType::Timestamp(of_unit(unit.map(|(unit, _)| unit)), None),
            Kind::TimestampTz => {
                let (unit, zone) = unit.unzip();
                let zone = zone.flatten().unwrap_or_else(|| Arc::clone(&self.zone));
                DataType::Timestamp(of_unit(unit), Some(zone))
            }
            Kind::Time => {
                let time = planned
                    .types
                    .iter()
                    .find(|known| matches!(known, DataType::Time32(_) | DataType::Time64(_)));
                time.cloned()
                    .unwrap_or(DataType::Time64(TimeUnit::Microsecond))
            }
            Kind::Array => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Kind::Json => JSON,
            Kind::Any => planned.type_at(0),
            kind => kind.canonical(&planned.type_at(0), &self.zone),
        })
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.entry.name == other.entry.name && self.zone == other.zone
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry.name.hash(state);
        self.zone.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.entry.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Types stay as they are: an error here would lose its name, and the body reads any encoding.
    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arguments
            .iter()
            .map(|known| Arc::new(Field::new("", known.clone(), true)))
            .collect();
        let constants = vec![None; fields.len()];
        let field = self.return_field_from_args(ReturnFieldArgs {
            arg_fields: &fields,
            scalar_arguments: &constants,
        })?;
        Ok(field.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let overload = self.resolve(args.arg_fields)?;
        let types = self.canonical_types(overload, args.arg_fields);
        let constants: Vec<Option<ScalarValue>> = args
            .scalar_arguments
            .iter()
            .map(|value| value.cloned())
            .collect();
        let planned = Planned {
            types: &types,
            constants: &constants,
            zone: &self.zone,
            returns: overload.returns,
        };
        let data_type = self.result_type(overload, &planned)?;
        let field = overload.result.result_field(self.entry.name, data_type);
        Ok(Arc::new(match args.arg_fields.first() {
            Some(first) if self.entry.keeps_char => as_char(field, first),
            _ => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let overload = self.resolve(&args.arg_fields)?;
        let types = self.canonical_types(overload, &args.arg_fields);
        let is_volatile = self.signature.volatility == Volatility::Volatile;
        let is_constant = !is_volatile
            && args
                .args
                .iter()
                .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let mut columns = Vec::with_capacity(types.len());
        for (value, wanted) in args.args.iter().zip(&types) {
            let (array, stride) = match value {
                ColumnarValue::Scalar(value) => (value.to_array()?, 0),
                ColumnarValue::Array(array) => (Arc::clone(array), 1),
            };
            columns.push((canonical_array(&array, wanted)?, stride));
        }
        let call = Call {
            columns,
            rows,
            returns: args.return_field.data_type().clone(),
            zone: Arc::clone(&self.zone),
            fields: args.arg_fields,
        };
        let result = (self.entry.body)(&call)?;
        let result = canonical_array(&result, args.return_field.data_type())?;
        if is_constant {
            let value = ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn canonical_array(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    if *array.data_type() == DataType::Null {
        return Ok(new_null_array(wanted, array.len()));
    }
    let value_type = plain(array.data_type());
    if value_type != *array.data_type() && value_type != *wanted {
        return convert(&convert(array, &value_type)?, wanted);
    }
    convert(array, wanted)
}

/// Casts; what does not fit is an error, not a NULL.
fn convert(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..Default::default()
    };
    cast_with_options(array, wanted, &options)
        .map_err(|error| TrinoFailure::new("INVALID_CAST_ARGUMENT", error.to_string()).into())
}
