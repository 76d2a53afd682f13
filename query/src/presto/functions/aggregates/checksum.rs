//! `checksum`: the same for the same rows in any order.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, TimeUnit,
};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::function::{Aggregate, only};
use super::sum::primitives;
use super::xxhash::{PRIME_1, PRIME_2, xxhash64};
use crate::presto::error::TrinoFailure;
use crate::presto::functions::shared::{Lists, map_parts, normal, unexpected};
use crate::presto::opaque::{BING_TILE, BingTile, IP_ADDRESS, JSON, UUID};
use crate::presto::types::type_name;
use crate::presto::zoned_time::unit_and_offset;

pub(super) fn definition() -> Aggregate {
    Aggregate {
        state: |_| vec![DataType::Int64],
        ..Aggregate::new(
            "checksum",
            coerce,
            |_| Ok(DataType::Binary),
            |_| Ok(Box::new(Checksum::default())),
        )
    }
}

fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [one] => Ok(vec![normal(one)]),
        _ => Err(unexpected("checksum", types)),
    }
}

fn hash_i64(value: i64) -> u64 {
    xxhash64(&value.to_le_bytes())
}

/// The hash of a number of 64 bits within a row.
fn mixed(value: i64) -> u64 {
    value
        .cast_unsigned()
        .wrapping_mul(PRIME_2)
        .rotate_left(31)
        .wrapping_mul(PRIME_1)
}

/// Returns the hash of the last sixteen bytes, as two numbers.
fn hash_sixteen(value: &[u8]) -> u64 {
    let (_, halves) = value.as_rchunks::<8>();
    halves.iter().fold(0, |hash, half| hash ^ xxhash64(half))
}

/// Returns the number that a tile is in Trino.
fn tile_code(value: &[u8]) -> i64 {
    let tile = BingTile::decode(value);
    i64::from(tile.x) << 28 | i64::from(tile.y) << 5 | i64::from(tile.zoom)
}

const MILLIS_PER_DAY: i64 = 86_400_000;

const fn nanos_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn picos_of(time: &DataType) -> i64 {
    match time {
        DataType::Time32(unit) | DataType::Time64(unit) => nanos_of(*unit) * 1_000,
        _ => 1,
    }
}

/// Hashes values by the numbers they are stored as.
fn ticks(values: &ArrayRef, hash: impl Fn(i64) -> u64) -> Result<Vec<u64>> {
    // Times of 32 bits become numbers of 32 bits first.
    let numbers = match values.data_type() {
        DataType::Time32(_) => &cast(values, &DataType::Int32)?,
        _ => values,
    };
    let numbers = cast(numbers, &DataType::Int64)?;
    let hashes = primitives::<Int64Type>(&numbers)?.iter();
    Ok(hashes.map(|tick| tick.map_or(0, &hash)).collect())
}

/// Hashes timestamps as whole units and the picoseconds behind them.
fn in_two(values: &ArrayRef, unit: TimeUnit, whole: TimeUnit) -> Result<Vec<u64>> {
    let per_whole = nanos_of(whole) / nanos_of(unit);
    ticks(values, |tick| {
        let picos = tick.rem_euclid(per_whole) * nanos_of(unit) * 1_000;
        hash_i64(tick.div_euclid(per_whole)) ^ hash_i64(picos)
    })
}

/// Hashes a number of 64 bits.
type Hash = fn(i64) -> u64;

/// Returns the hash that Presto's types give their values, those of 64 bits by `hash`; 0 for NULL.
fn hashes(values: &ArrayRef, hash: Hash) -> Result<Vec<u64>> {
    let numbers = |values: &ArrayRef| -> Result<Vec<u64>> {
        let numbers = cast(values, &DataType::Int64)?;
        Ok(primitives::<Int64Type>(&numbers)?
            .iter()
            .map(|value| value.map_or(0, hash))
            .collect())
    };
    Ok(match values.data_type() {
        DataType::Boolean => values
            .as_boolean()
            .iter()
            .map(|value| value.map_or(0, |value| hash_i64(i64::from(value))))
            .collect(),
        t if t.is_integer() => numbers(values)?,
        DataType::Date32 => {
            let days = cast(values, &DataType::Int32)?;
            primitives::<Int32Type>(&days)?
                .iter()
                .map(|day| day.map_or(0, |day| hash(i64::from(day))))
                .collect()
        }
        time @ (DataType::Time32(_) | DataType::Time64(_)) => {
            ticks(values, |tick| hash(tick * picos_of(time)))?
        }
        // By the moment in UTC.
        zoned if let Some((unit, _)) = unit_and_offset(zoned) => {
            ticks(values, |tick| hash(tick * nanos_of(unit)))?
        }
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, Some(_)) => numbers(&cast(
            values,
            &DataType::Timestamp(TimeUnit::Millisecond, None),
        )?)?,
        DataType::Timestamp(unit, Some(_)) => in_two(values, *unit, TimeUnit::Millisecond)?,
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            in_two(values, TimeUnit::Nanosecond, TimeUnit::Microsecond)?
        }
        DataType::Timestamp(_, None) => numbers(&cast(
            values,
            &DataType::Timestamp(TimeUnit::Microsecond, None),
        )?)?,
        DataType::Interval(IntervalUnit::YearMonth) => primitives::<IntervalYearMonthType>(values)?
            .iter()
            .map(|months| months.map_or(0, |months| hash(i64::from(months))))
            .collect(),
        DataType::Interval(_) => {
            let values = cast(values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            primitives::<IntervalMonthDayNanoType>(&values)?
                .iter()
                .map(|value| {
                    value.map_or(0, |value| {
                        let millis = value.nanoseconds / 1_000_000;
                        hash(i64::from(value.days) * MILLIS_PER_DAY + millis)
                    })
                })
                .collect()
        }
        DataType::Float64 => primitives::<Float64Type>(values)?
            .iter()
            .map(|value| value.map_or(0, |value| hash((value + 0.0).to_bits() as i64)))
            .collect(),
        DataType::Float32 => primitives::<Float32Type>(values)?
            .iter()
            .map(|value| value.map_or(0, |value| hash(i64::from((value + 0.0).to_bits() as i32))))
            .collect(),
        DataType::Decimal128(precision, _) => {
            let is_long = *precision > 18;
            primitives::<Decimal128Type>(values)?
                .iter()
                .map(|value| match value {
                    None => 0,
                    Some(value) if is_long => {
                        hash_i64((value >> 64) as i64) ^ hash_i64(value as i64)
                    }
                    Some(value) => hash(value as i64),
                })
                .collect()
        }
        DataType::Utf8 => values
            .as_string::<i32>()
            .iter()
            .map(|text| text.map_or(0, |text| xxhash64(text.as_bytes())))
            .collect(),
        json if *json == JSON => values
            .as_string::<i64>()
            .iter()
            .map(|text| text.map_or(0, |text| xxhash64(text.as_bytes())))
            .collect(),
        opaque if *opaque == UUID || *opaque == IP_ADDRESS => values
            .as_fixed_size_binary()
            .iter()
            .map(|value| value.map_or(0, hash_sixteen))
            .collect(),
        tile if *tile == BING_TILE => values
            .as_fixed_size_binary()
            .iter()
            .map(|value| value.map_or(0, |tile| hash(tile_code(tile))))
            .collect(),
        DataType::Binary => values
            .as_binary::<i32>()
            .iter()
            .map(|bytes| bytes.map_or(0, xxhash64))
            .collect(),
        DataType::List(_) => {
            let lists = Lists::new(values)?;
            let items = hashes(lists.values(), hash)?;
            (0..lists.len())
                .map(|row| {
                    let items = items.get(lists.range(row)).unwrap_or_default();
                    items.iter().fold(0_u64, |hash, item| {
                        hash.wrapping_mul(31).wrapping_add(*item)
                    })
                })
                .collect()
        }
        DataType::Map(..) => {
            let (ranges, _, keys, items) = map_parts(values)?;
            let (keys, items) = (hashes(&keys, hash)?, hashes(&items, hash)?);
            let entry = |index: usize| {
                let key = keys.get(index).copied().unwrap_or(0);
                key ^ items.get(index).copied().unwrap_or(0)
            };
            ranges
                .into_iter()
                .map(|range| range.fold(0_u64, |hash, index| hash.wrapping_add(entry(index))))
                .collect()
        }
        DataType::Struct(_) => {
            let rows = values.as_struct();
            let mut all = vec![1_u64; rows.len()];
            for column in rows.columns() {
                for (hash, item) in all.iter_mut().zip(hashes(column, mixed)?) {
                    *hash = hash.wrapping_mul(31).wrapping_add(item);
                }
            }
            all
        }
        DataType::Null => vec![0; values.len()],
        other => {
            return Err(TrinoFailure::new(
                "NOT_SUPPORTED",
                format!("checksum of {} is not supported", type_name(other)),
            )
            .into());
        }
    })
}

/// The sum of hashes.
#[derive(Debug, Default)]
struct Checksum {
    sum: Option<u64>,
}

impl Checksum {
    fn add(&mut self, more: u64) {
        self.sum = Some(self.sum.unwrap_or(0).wrapping_add(more));
    }
}

impl Accumulator for Checksum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?;
        let nulls = values.logical_nulls();
        for (row, hash) in hashes(values, hash_i64)?.into_iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            self.add(if is_null {
                PRIME_1
            } else {
                hash.wrapping_mul(PRIME_1)
            });
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for sum in primitives::<Int64Type>(only(states)?)?.iter().flatten() {
            self.add(sum as u64);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(
            self.sum.map(|sum| sum.to_le_bytes().to_vec()),
        ))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Int64(self.sum.map(|sum| sum as i64))])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
