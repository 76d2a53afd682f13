//! Rows of a query as the structs of a page.

use std::error::Error;
use std::fmt;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use serde::de::DeserializeOwned;

/// Rows are not what a page expects.
#[derive(Debug)]
pub(super) enum DecodeError {
    /// A type has no JSON form.
    Arrow(ArrowError),
    /// A column is missing or of another type.
    Json(serde_json::Error),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows cannot be decoded")
    }
}

impl Error for DecodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Arrow(source) => Some(source),
            Self::Json(source) => Some(source),
        }
    }
}

/// Returns one `T` a row; columns are matched by name, nulls are `None`.
pub(super) fn decode<T: DeserializeOwned>(batches: &[RecordBatch]) -> Result<Vec<T>, DecodeError> {
    if batches.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(Vec::new());
    }
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    writer.write_batches(&batches).map_err(DecodeError::Arrow)?;
    writer.finish().map_err(DecodeError::Arrow)?;
    serde_json::from_slice(&writer.into_inner()).map_err(DecodeError::Json)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        day: chrono::NaiveDate,
        flights: u64,
        mean: Option<f64>,
    }

    #[test]
    fn days_numbers_and_nulls_become_fields() {
        let columns: [(&str, ArrayRef); 3] = [
            ("day", Arc::new(Date32Array::from(vec![0, 1]))),
            ("flights", Arc::new(Int64Array::from(vec![3, 4]))),
            ("mean", Arc::new(Float64Array::from(vec![Some(1.5), None]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let rows: Vec<Row> = decode(&[batch.slice(0, 0), batch]).unwrap();
        assert_eq!(rows[0].mean, Some(1.5));
        assert_eq!((rows[1].flights, rows[1].mean), (4, None));
        assert_eq!(rows[1].day.to_string(), "1970-01-02");
        assert!(decode::<Row>(&[]).unwrap().is_empty());
    }
}
