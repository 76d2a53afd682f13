//! Digests of ten thousand values are those of Trino: answers, and the MD5 of the bytes.

use md5::{Digest as _, Md5};

use super::*;

const QUANTILES: [f64; 13] = [
    0.0, 0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0,
];

fn md5_of(bytes: &[u8]) -> String {
    format!("{:X}", Md5::digest(bytes))
}

fn tdigest_answers(value: fn(i64) -> (i64, f64), found: [f64; 13], md5: &str) {
    let mut digest = TDigest::new();
    for x in 1..=10_000 {
        let (value, weight) = value(x);
        digest.add(value as f64, weight).unwrap();
    }
    let bytes = digest.serialize();
    let mut read = TDigest::deserialize(&bytes).unwrap();
    assert_eq!(read.values_at(&QUANTILES).unwrap(), found);
    assert_eq!(md5_of(&rewritten_tdigest(&bytes).unwrap()), md5);
}

#[test]
fn a_tdigest_is_that_of_trino() {
    tdigest_answers(
        |x| (x * 7919 % 104_729, 1.0),
        [
            29.0,
            38.0,
            114.5,
            1_056.214_833_059_660_6,
            10_503.963_852_888_71,
            26_217.258_936_457_303,
            52_367.042_764_443_21,
            78_507.398_203_786_9,
            94_232.624_348_606_5,
            103_687.204_907_161_81,
            104_634.178_571_428_57,
            104_720.0,
            104_720.0,
        ],
        "4ADBC82E09BAD4359BA17E1CDEB4864B",
    );
    tdigest_answers(
        |x| (x % 17, (1 + x % 5) as f64),
        [
            0.0,
            0.0,
            0.0,
            0.0,
            1.185_944_084_521_827_6,
            3.737_008_398_337_722_2,
            7.992_558_979_247_984,
            12.223_466_596_875_161,
            14.825_993_265_993_265,
            16.0,
            16.0,
            16.0,
            16.0,
        ],
        "70BD360FC7B22C18A49F61582694A6F2",
    );
    tdigest_answers(
        |x| (x * 7919 % 1009, 1.5),
        [
            0.0,
            0.0,
            0.619_047_619_047_619_1,
            9.807_397_959_183_673,
            100.772_622_590_702_95,
            252.367_769_079_941_87,
            504.160_965_445_273_63,
            756.054_828_951_752_7,
            907.389_998_175_983_4,
            998.442_984_189_723_3,
            1_007.466_666_666_666_7,
            1_008.0,
            1_008.0,
        ],
        "5DF81636A9C0407AED36A5EE4B335CCD",
    );
}

fn qdigest_answers(value: fn(i64) -> i64, accuracy: f64, found: [i64; 13], md5: &str) {
    let mut digest = QuantileDigest::new(accuracy);
    for x in 1..=10_000 {
        digest.add(value(x), 1.0);
    }
    let bytes = digest.serialize();
    let read = QuantileDigest::deserialize(&bytes).unwrap();
    assert_eq!(QUANTILES.map(|q| read.value_at(q).unwrap()), found);
    assert_eq!(md5_of(&bytes), md5);
}

#[test]
fn a_qdigest_is_that_of_trino() {
    qdigest_answers(
        |x| x * 7919 % 104_729 - 5_000,
        0.05,
        [
            -4_897, -4_897, -4_865, -3_841, 5_631, 21_311, 47_583, 73_727, 89_466, 98_815, 99_720,
            99_720, 99_720,
        ],
        "C03912003710F95B0FE4E3B228A994F0",
    );
    qdigest_answers(
        |x| x,
        0.01,
        [
            9, 9, 17, 109, 1_009, 2_505, 5_009, 7_505, 9_001, 9_901, 9_993, 10_000, 10_000,
        ],
        "3120EAF136BCEFFD274C4FCFAD8304B3",
    );
}

#[test]
fn a_qdigest_of_weighted_doubles_is_that_of_trino() {
    let values: ArrayRef = Arc::new(arrow::array::Float64Array::from_iter_values(
        (1..=10_000).map(|x| f64::from(x) * 0.37 - 100.0),
    ));
    let sortable = to_sortable(&values).unwrap();
    let mut digest = QuantileDigest::new(0.1);
    for (row, value) in sortable.values().iter().enumerate() {
        digest.add(*value, (row + 1) as f64);
    }
    assert_eq!(
        md5_of(&digest.serialize()),
        "83778C12DC195550A50B912A32A52853"
    );
    let sortable: ArrayRef = Arc::new(sortable);
    let back = from_sortable(&sortable, &DataType::Float64).unwrap();
    assert_eq!(&back, &values);
}

#[test]
fn a_digest_of_digests_counts_all_values() {
    let mut all = QuantileDigest::new(0.05);
    for part in 0..50 {
        let mut digest = QuantileDigest::new(0.05);
        for x in 0..200 {
            digest.add((part * 7919 + x * 104_729) % 10_007 - 5_000, 1.0);
        }
        let bytes = digest.serialize();
        all.merge(QuantileDigest::deserialize(&bytes).unwrap());
    }
    let bytes = all.serialize();
    let read = QuantileDigest::deserialize(&bytes).unwrap();
    assert_eq!((all.count(), read.count()), (10_000.0, 10_000.0));
    let middle = read.value_at(0.5).unwrap();
    assert!((-200..=700).contains(&middle), "{middle}");
    assert!(bytes.len() < 60_000, "{}", bytes.len());
}

#[test]
fn bytes_that_are_no_digest_are_refused() {
    let mut tdigest = TDigest::new();
    let mut qdigest = QuantileDigest::new(0.01);
    for x in 0..300 {
        tdigest.add(f64::from(x), 1.0).unwrap();
        qdigest.add(i64::from(x), 1.0);
    }
    let (tdigest, qdigest) = (tdigest.serialize(), qdigest.serialize());
    for length in 0..tdigest.len() {
        assert!(TDigest::deserialize(&tdigest[..length]).is_err());
    }
    for length in 0..qdigest.len() {
        assert!(QuantileDigest::deserialize(&qdigest[..length]).is_err());
    }
    // Whatever stands in the bytes, there is an answer or an error.
    for at in 1..qdigest.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut broken = qdigest.clone();
            broken[at] = byte;
            if let Ok(digest) = QuantileDigest::deserialize(&broken) {
                let mut twice = digest.clone();
                twice.merge(digest.clone());
                let _ = twice.serialize();
                let _ = (digest.value_at(0.5), digest.quantile_at(100));
            }
        }
    }
    for at in 1..tdigest.len().min(100) {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut broken = tdigest.clone();
            broken[at] = byte;
            if let Ok(mut digest) = TDigest::deserialize(&broken) {
                let _ = digest.values_at(&[0.0, 0.3, 1.0]);
                let _ = digest.add(5.0, 1.0);
                digest.merge(digest.clone());
                let _ = digest.serialize();
            }
        }
    }
}
