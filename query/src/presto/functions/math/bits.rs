//! Bits of integers in two's complement.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, PrimitiveArray};
use arrow::datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type};
use datafusion::error::Result;

use super::numbers::unexpected;
use crate::presto::functions::call::{Call, Int, Long, invalid};

fn longs(call: &Call, f: fn(i64, i64) -> i64) -> Result<ArrayRef> {
    call.map2::<Long, Long, i64>(|a, b| Ok(Some(f(a, b))))
}

pub(super) fn bitwise_and(call: &Call) -> Result<ArrayRef> {
    longs(call, |a, b| a & b)
}

pub(super) fn bitwise_or(call: &Call) -> Result<ArrayRef> {
    longs(call, |a, b| a | b)
}

pub(super) fn bitwise_xor(call: &Call) -> Result<ArrayRef> {
    longs(call, |a, b| a ^ b)
}

pub(super) fn bitwise_not(call: &Call) -> Result<ArrayRef> {
    call.map1::<Long, i64>(|a| Ok(Some(!a)))
}

macro_rules! shift {
    ($call:expr, $shift:ident) => {
        match $call.data_type(0) {
            DataType::Int8 => shift!(@width $call, Int8Type, i8, u8, $shift),
            DataType::Int16 => shift!(@width $call, Int16Type, i16, u16, $shift),
            DataType::Int32 => shift!(@width $call, Int32Type, i32, u32, $shift),
            DataType::Int64 => shift!(@width $call, Int64Type, i64, u64, $shift),
            _ => Err(unexpected($call)),
        }
    };
    (@width $call:expr, $arrow:ty, $native:ty, $bits:ty, $shift:ident) => {{
        let values = $call.primitive::<$arrow>(0)?;
        let result: PrimitiveArray<$arrow> = (0..$call.rows)
            .map(|row| {
                let at = $call.row(0, row);
                let by = $call.get::<Int>(1, row)?;
                let is_all = u32::try_from(by).is_ok_and(|by| by >= <$native>::BITS);
                values.is_valid(at).then(|| {
                    let value = values.value(at);
                    shift!(@$shift $native, $bits, value, by, is_all)
                })
            })
            .collect();
        Ok(Arc::new(result) as ArrayRef)
    }};
    // As in Java, a shift of 64 bits by the distance's last six, which matters where it is negative.
    (@left $native:ty, $bits:ty, $value:expr, $by:expr, $is_all:expr) => {
        if $is_all { 0 } else { i64::from($value).wrapping_shl($by as u32) as $native }
    };
    (@right $native:ty, $bits:ty, $value:expr, $by:expr, $is_all:expr) => {
        if $is_all { 0 } else { u64::from($value as $bits).wrapping_shr($by as u32) as $native }
    };
    (@arithmetic $native:ty, $bits:ty, $value:expr, $by:expr, $is_all:expr) => {
        // More than the width leaves the sign only.
        if $is_all {
            if $value < 0 { -1 } else { 0 }
        } else {
            i64::from($value).wrapping_shr($by as u32) as $native
        }
    };
}

pub(super) fn bitwise_left_shift(call: &Call) -> Result<ArrayRef> {
    shift!(call, left)
}

pub(super) fn bitwise_right_shift(call: &Call) -> Result<ArrayRef> {
    shift!(call, right)
}

pub(super) fn bitwise_right_shift_arithmetic(call: &Call) -> Result<ArrayRef> {
    shift!(call, arithmetic)
}

/// `bit_count(number, bits)`: ones of the number in that many bits.
pub(super) fn bit_count(call: &Call) -> Result<ArrayRef> {
    call.map2::<Long, Long, i64>(|number, bits| {
        if !(2..=64).contains(&bits) {
            return Err(invalid(format!(
                "Bits specified in bit_count must be between 2 and 64, got {bits}"
            )));
        }
        let ones = |number: i64| Ok(Some(i64::from(number.count_ones())));
        if bits == 64 {
            return ones(number);
        }
        let high = 1_i64 << (bits - 1);
        if number >= high || number < -high {
            return Err(invalid(format!(
                "Number must be representable with the bits specified. {number} cannot be represented with {bits} bits"
            )));
        }
        ones(number & ((1_i64 << bits) - 1))
    })
}
