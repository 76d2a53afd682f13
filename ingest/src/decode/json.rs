//! JSON objects, one an event, into the columns of a table.
//!
//! Fields are matched by name; a field the table does not have is left out, a column the event does not have is null.
//! All events are decoded at once; only when one does not fit are they halved until the ones to blame stand alone.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, BinaryArray, Date32Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;

use super::Decoded;
use crate::{Error, Result};

/// Decodes events for one table.
#[derive(Debug, Clone)]
pub(crate) struct JsonDecoder {
    schema: SchemaRef,
}

impl JsonDecoder {
    /// # Errors
    /// [`Error::Undecodable`] for a column type that JSON cannot fill.
    pub(crate) fn new(schema: SchemaRef, table: &lake::TableName) -> Result<Self> {
        let builder = ReaderBuilder::new(Arc::clone(&schema));
        let built = builder.build_decoder();
        built.map_err(|error| Error::Undecodable {
            table: table.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self { schema })
    }

    /// Decodes the events at `positions` of `payloads`.
    pub(crate) fn decode(&self, payloads: &BinaryArray, positions: &[usize]) -> Result<Decoded> {
        let (mut batches, mut rejected) = (Vec::new(), Vec::new());
        self.decode_halves(payloads, positions, &mut batches, &mut rejected)?;
        let batch = concat_batches(&self.schema, &batches).map_err(Error::internal)?;
        Ok(Decoded { batch, rejected })
    }

    fn decode_halves(
        &self,
        payloads: &BinaryArray,
        positions: &[usize],
        batches: &mut Vec<RecordBatch>,
        rejected: &mut Vec<(usize, String)>,
    ) -> Result<()> {
        match (self.decode_all(payloads, positions), positions) {
            (Ok(batch), _) => batches.extend(batch),
            (Err(error), [position]) => rejected.push((*position, reason(&error))),
            (Err(_), positions) => {
                let (left, right) = positions.split_at(positions.len() / 2);
                self.decode_halves(payloads, left, batches, rejected)?;
                self.decode_halves(payloads, right, batches, rejected)?;
            }
        }
        Ok(())
    }

    /// Decodes all or, at the first that does not fit, none.
    fn decode_all(
        &self,
        payloads: &BinaryArray,
        positions: &[usize],
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let refuse = |what: &str| Err(ArrowError::JsonError(what.to_owned()));
        let mut decoder = ReaderBuilder::new(Arc::clone(&self.schema))
            .with_batch_size(positions.len().saturating_add(1))
            .build_decoder()?;
        for (done, position) in positions.iter().enumerate() {
            if payloads.is_null(*position) {
                return refuse("the event has no payload");
            }
            decoder.decode(payloads.value(*position))?;
            if decoder.has_partial_record() {
                return refuse("the event ends within its JSON object");
            }
            if decoder.len() != done + 1 {
                return refuse("the event is not exactly one JSON object");
            }
        }
        let batch = decoder.flush()?;
        let columns = batch.iter().flat_map(RecordBatch::columns);
        for column in columns {
            if !dates_exist(&column.to_data()) {
                return refuse("a date lies outside the years 1 to 9999");
            }
        }
        Ok(batch)
    }
}

/// Reports whether every date can be written in a calendar; a number in place of a date may lie anywhere.
fn dates_exist(data: &ArrayData) -> bool {
    /// Days from 1970 to the first day of the year 1 and to the last of 9999.
    const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
    if data.data_type() == &DataType::Date32 {
        let dates = Date32Array::from(data.clone());
        return dates.iter().flatten().all(|day| DAYS.contains(&day));
    }
    data.child_data().iter().all(dates_exist)
}

fn reason(error: &ArrowError) -> String {
    match error {
        ArrowError::JsonError(reason) => reason.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Field, Int32Type, Schema, TimeUnit};
    use proptest::prelude::*;

    use super::*;

    fn decoder() -> JsonDecoder {
        let field = |name: &str, kind| Field::new(name, kind, true);
        let schema = Schema::new(vec![
            field("n", DataType::Int32),
            field("name", DataType::Utf8),
            field("day", DataType::Date32),
            field("at", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ]);
        JsonDecoder::new(Arc::new(schema), &"a.b".parse().unwrap()).unwrap()
    }

    fn decode(events: &[Option<&[u8]>]) -> Decoded {
        let positions: Vec<_> = (0..events.len()).collect();
        let payloads: BinaryArray = events.iter().copied().collect();
        decoder().decode(&payloads, &positions).unwrap()
    }

    #[test]
    fn events_become_rows_and_others_are_named() {
        let decoded = decode(&[
            Some(br#"{"n":1,"name":"a","day":"2013-12-01","at":"2013-12-01T10:00:00","more":[1]}"#),
            Some(br#"{"n":"one"}"#),
            Some(b"not json"),
            Some(br#"{"n":2}{"n":3}"#),
            Some(br#"{"n":4"#),
            Some(b"[1]"),
            Some(b"7"),
            Some(b""),
            None,
            Some(b"\xff\xfe"),
            Some(br#"{"n":3000000000}"#),
            Some(br#"{"day":2147483647}"#),
            Some(br#" {"n":5} "#),
        ]);
        assert_eq!(
            decoded.batch["n"].as_primitive::<Int32Type>().values(),
            &[1, 5]
        );
        let positions: Vec<_> = decoded.rejected.iter().map(|(at, _)| *at).collect();
        assert_eq!(positions, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert!(
            decoded
                .rejected
                .iter()
                .all(|(_, reason)| !reason.is_empty()),
            "{:?}",
            decoded.rejected
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_a_reason(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let events: Vec<_> = events.iter().map(|event| Some(event.as_slice())).collect();
            let decoded = decode(&events);
            prop_assert_eq!(decoded.batch.num_rows() + decoded.rejected.len(), events.len());
        }

        #[test]
        fn a_bad_event_costs_no_good_one(bad in prop::collection::vec(any::<bool>(), 1..60)) {
            let texts: Vec<_> = bad.iter().enumerate().map(|(n, bad)| if *bad { "{".to_owned() } else { format!("{{\"n\":{n}}}") }).collect();
            let events: Vec<_> = texts.iter().map(|text| Some(text.as_bytes())).collect();
            let decoded = decode(&events);
            let good: Vec<_> = bad.iter().enumerate().filter(|(_, bad)| !**bad).map(|(n, _)| n as i32).collect();
            prop_assert_eq!(decoded.batch["n"].as_primitive::<Int32Type>().values(), &good[..]);
        }
    }
}
