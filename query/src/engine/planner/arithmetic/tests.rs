use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::Decimal128Type;
use datafusion::logical_expr::ColumnarValue;
use proptest::prelude::*;

use super::decimals::DecimalRule;
use super::*;

/// Computes by hand, on numbers that 128 bits always hold.
fn reference(operation: Operation, (l, s1): (i128, i8), (r, s2): (i128, i8)) -> Option<i128> {
    let power = |digits: i8| 10_i128.pow(u32::try_from(digits).unwrap());
    let scale = s1.max(s2);
    let (left, right) = (l * power(scale - s1), r * power(scale - s2));
    match operation {
        Operation::Add => Some(left + right),
        Operation::Subtract => Some(left - right),
        Operation::Multiply => Some(l * r),
        Operation::Modulo => (right != 0).then(|| left % right),
        Operation::Divide => {
            if right == 0 {
                return None;
            }
            let dividend = left.abs() * power(scale);
            let quotient = (2 * dividend + right.abs()) / (2 * right.abs());
            Some(if (left < 0) == (right < 0) {
                quotient
            } else {
                -quotient
            })
        }
    }
}

proptest! {
    #[test]
    fn decimals_are_computed_with_one_rounding(
        l in -999_999_999_i64..=999_999_999, r in -999_999_999_i64..=999_999_999,
        s1 in 0_i8..=6, s2 in 0_i8..=6, operation in 0_usize..5,
    ) {
        let operation = [
            Operation::Add, Operation::Subtract, Operation::Multiply, Operation::Divide, Operation::Modulo,
        ][operation];
        let rule = DecimalRule::new(operation, (9, s1), (9, s2)).unwrap();
        let column = |value: i64, scale| -> ArrayRef {
            let values = Decimal128Array::from(vec![i128::from(value)]);
            Arc::new(values.with_precision_and_scale(9, scale).unwrap())
        };
        let result = decimals::run(&rule, &ColumnarValue::Array(column(l, s1)), &ColumnarValue::Array(column(r, s2)));
        let expected = reference(operation, (i128::from(l), s1), (i128::from(r), s2));
        match expected {
            None => prop_assert!(result.is_err()),
            Some(expected) => {
                let array = result.unwrap().into_array(1).unwrap();
                prop_assert_eq!(array.as_primitive::<Decimal128Type>().value(0), expected);
            }
        }
    }
}

#[test]
fn decimals_have_the_types_that_trino_says() {
    let cases = [
        (Operation::Add, (2, 1), (10, 0), (12, 1)),
        (Operation::Multiply, (2, 1), (3, 2), (5, 3)),
        (Operation::Divide, (2, 1), (3, 2), (5, 2)),
        (Operation::Modulo, (2, 1), (3, 2), (3, 2)),
        (Operation::Divide, (10, 2), (10, 2), (12, 2)),
        (Operation::Multiply, (38, 10), (38, 10), (38, 20)),
        (Operation::Add, (38, 10), (38, 20), (38, 20)),
    ];
    for (operation, left, right, expected) in cases {
        let rule = DecimalRule::new(operation, left, right).unwrap();
        assert_eq!(
            (rule.precision, rule.scale),
            expected,
            "{operation:?} {left:?} {right:?}"
        );
    }
    assert!(DecimalRule::new(Operation::Multiply, (38, 30), (38, 30)).is_err());
}
