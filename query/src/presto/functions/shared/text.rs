//! Values as Presto casts them to varchar.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;

use crate::presto::numbers::{scientific, scientific_real};

/// Returns each value as text.
pub(in crate::presto::functions) fn texts(values: &ArrayRef) -> Result<Vec<Option<String>>> {
    match values.data_type() {
        DataType::Float64 => Ok(values
            .as_primitive::<Float64Type>()
            .iter()
            .map(|value| value.map(scientific))
            .collect()),
        DataType::Float32 => Ok(values
            .as_primitive::<Float32Type>()
            .iter()
            .map(|value| value.map(scientific_real))
            .collect()),
        other => {
            let (plain, zoned) = match other {
                DataType::Timestamp(TimeUnit::Second, _) => {
                    ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %Z")
                }
                DataType::Timestamp(TimeUnit::Millisecond, _) => {
                    ("%Y-%m-%d %H:%M:%S%.3f", "%Y-%m-%d %H:%M:%S%.3f %Z")
                }
                DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                    ("%Y-%m-%d %H:%M:%S%.9f", "%Y-%m-%d %H:%M:%S%.9f %Z")
                }
                _ => ("%Y-%m-%d %H:%M:%S%.6f", "%Y-%m-%d %H:%M:%S%.6f %Z"),
            };
            let options = FormatOptions::new()
                .with_timestamp_format(Some(plain))
                .with_timestamp_tz_format(Some(zoned));
            let formatter = ArrayFormatter::try_new(values.as_ref(), &options)?;
            let text = |row| (!values.is_null(row)).then(|| formatter.value(row).try_to_string());
            let texts: std::result::Result<Vec<Option<String>>, _> =
                (0..values.len()).map(|row| text(row).transpose()).collect();
            Ok(texts?)
        }
    }
}
