//! `checksum`: the same for the same rows in any order.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::function::{Aggregate, only};
use super::sum::primitives;
use crate::presto::error::TrinoFailure;
use crate::presto::functions::shared::{Lists, map_parts, normal, unexpected};
use crate::presto::types::type_name;

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

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

/// Returns the 64-bit xxHash of bytes.
///
/// # Source
/// <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>
fn xxhash64(bytes: &[u8]) -> u64 {
    let round = |acc: u64, lane: u64| {
        acc.wrapping_add(lane.wrapping_mul(PRIME_2))
            .rotate_left(31)
            .wrapping_mul(PRIME_1)
    };
    let lane = |chunk: &[u8]| {
        let mut lane = [0; 8];
        lane.iter_mut()
            .zip(chunk)
            .for_each(|(slot, byte)| *slot = *byte);
        u64::from_le_bytes(lane)
    };
    let (stripes, mut rest) = bytes.split_at(bytes.len() - bytes.len() % 32);
    let mut hash = if stripes.is_empty() {
        PRIME_5
    } else {
        let mut acc = [
            PRIME_1.wrapping_add(PRIME_2),
            PRIME_2,
            0,
            0_u64.wrapping_sub(PRIME_1),
        ];
        for stripe in stripes.chunks_exact(32) {
            for (acc, chunk) in acc.iter_mut().zip(stripe.chunks_exact(8)) {
                *acc = round(*acc, lane(chunk));
            }
        }
        let mut hash = acc
            .iter()
            .zip([1, 7, 12, 18])
            .fold(0_u64, |hash, (acc, turn)| {
                hash.wrapping_add(acc.rotate_left(turn))
            });
        for acc in acc {
            hash = (hash ^ round(0, acc))
                .wrapping_mul(PRIME_1)
                .wrapping_add(PRIME_4);
        }
        hash
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while let Some((chunk, after)) = rest.split_at_checked(8) {
        hash = (hash ^ round(0, lane(chunk)))
            .rotate_left(27)
            .wrapping_mul(PRIME_1)
            .wrapping_add(PRIME_4);
        rest = after;
    }
    if let Some((chunk, after)) = rest.split_at_checked(4) {
        hash = (hash ^ lane(chunk).wrapping_mul(PRIME_1))
            .rotate_left(23)
            .wrapping_mul(PRIME_2)
            .wrapping_add(PRIME_3);
        rest = after;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(PRIME_5))
            .rotate_left(11)
            .wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

fn hash_i64(value: i64) -> u64 {
    xxhash64(&value.to_le_bytes())
}

/// Returns the hash that Presto's types give their values; 0 for NULL.
fn hashes(values: &ArrayRef) -> Result<Vec<u64>> {
    let numbers = |values: &ArrayRef| -> Result<Vec<u64>> {
        let numbers = cast(values, &DataType::Int64)?;
        Ok(primitives::<Int64Type>(&numbers)?
            .iter()
            .map(|value| value.map_or(0, hash_i64))
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
                .map(|day| day.map_or(0, |day| hash_i64(i64::from(day))))
                .collect()
        }
        DataType::Timestamp(_, None) => numbers(&cast(
            values,
            &DataType::Timestamp(TimeUnit::Microsecond, None),
        )?)?,
        DataType::Float64 => primitives::<Float64Type>(values)?
            .iter()
            .map(|value| value.map_or(0, |value| hash_i64((value + 0.0).to_bits() as i64)))
            .collect(),
        DataType::Float32 => primitives::<Float32Type>(values)?
            .iter()
            .map(|value| {
                value.map_or(0, |value| {
                    hash_i64(i64::from((value + 0.0).to_bits() as i32))
                })
            })
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
                    Some(value) => hash_i64(value as i64),
                })
                .collect()
        }
        DataType::Utf8 => values
            .as_string::<i32>()
            .iter()
            .map(|text| text.map_or(0, |text| xxhash64(text.as_bytes())))
            .collect(),
        DataType::Binary => values
            .as_binary::<i32>()
            .iter()
            .map(|bytes| bytes.map_or(0, xxhash64))
            .collect(),
        DataType::List(_) => {
            let lists = Lists::new(values)?;
            let items = hashes(lists.values())?;
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
            let (keys, items) = (hashes(&keys)?, hashes(&items)?);
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
                for (hash, item) in all.iter_mut().zip(hashes(column)?) {
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
        for (row, hash) in hashes(values)?.into_iter().enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_specification() {
        assert_eq!(xxhash64(b""), 0xef46_db37_51d8_e999);
        assert_eq!(xxhash64(b"a"), 0xd24e_c4f1_a98c_6e5b);
        let long = b"Nobody inspects the spammish repetition";
        assert_eq!(xxhash64(long), 0xfbce_a83c_8a37_8bf1);
    }
}
