use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Owned {
    dep_delay: f64,
    distance: f64,
    day: u32,
    carrier: String,
    origin: String,
    dest: String,
}

impl Owned {
    fn flight(&self) -> Flight<'_> {
        Flight {
            dep_delay: self.dep_delay,
            distance: self.distance,
            date: NaiveDate::from_yo_opt(2013, self.day).unwrap(),
            carrier: &self.carrier,
            origin: &self.origin,
            dest: &self.dest,
        }
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    (
        -100.0..2000.0_f64,
        0.0..5000.0_f64,
        1..366_u32,
        "[A-C][A-B]",
        "[A-C]",
        "[A-F]",
    )
        .prop_map(|(dep_delay, distance, day, carrier, origin, dest)| Owned {
            dep_delay,
            distance,
            day,
            carrier,
            origin,
            dest,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_row_is_encoded_as_it_is_in_a_batch(
        seen in prop::collection::vec(owned(), 1..30),
        served in prop::collection::vec(owned(), 1..30),
    ) {
        let fitted: Vec<_> = seen.iter().map(Owned::flight).collect();
        let pipeline = FeaturePipeline::fit(&fitted).unwrap();
        let served: Vec<_> = served.iter().map(Owned::flight).collect();
        let batch = pipeline.encode_batch(&served);
        for (row, flight) in batch.rows().into_iter().zip(&served) {
            prop_assert_eq!(row.to_vec(), pipeline.encode(flight));
        }
    }

    #[test]
    fn a_stored_pipeline_encodes_as_before(seen in prop::collection::vec(owned(), 1..20)) {
        let flights: Vec<_> = seen.iter().map(Owned::flight).collect();
        let pipeline = FeaturePipeline::fit(&flights).unwrap();
        let text = serde_json::to_string(&pipeline).unwrap();
        let stored: FeaturePipeline = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&stored, &pipeline);
        for flight in &flights {
            prop_assert_eq!(stored.encode(flight), pipeline.encode(flight));
        }
    }

    #[test]
    fn the_order_of_rows_does_not_change_a_vocabulary(
        values in prop::collection::vec("[a-e]", 1..40), limit in 1..6_usize,
    ) {
        let forward = Vocabulary::fit(values.iter(), limit);
        let backward = Vocabulary::fit(values.iter().rev(), limit);
        prop_assert_eq!(forward, backward);
    }
}

#[test]
fn what_was_never_seen_has_its_own_column() {
    let seen = Owned {
        dep_delay: 3.0,
        distance: 100.0,
        day: 5,
        carrier: "UA".into(),
        origin: "EWR".into(),
        dest: "BOS".into(),
    };
    let pipeline = FeaturePipeline::fit(&[seen.flight()]).unwrap();
    let row = pipeline.encode(&Flight {
        carrier: "ZZ",
        ..seen.flight()
    });
    let layout = pipeline.layout();
    assert_eq!(layout.len(), row.len());
    let value = |name: &str| row[layout.iter().position(|column| column == name).unwrap()];
    assert_eq!((value("Carrier=UA"), value("Carrier=other")), (0.0, 1.0));
    assert_eq!((value("Origin=EWR"), value("Route=EWR-BOS")), (1.0, 1.0));
}

#[test]
fn calendar_features_count_from_one_and_monday() {
    let date = NaiveDate::from_ymd_opt(2013, 12, 1).unwrap();
    let flight = Flight {
        dep_delay: 0.0,
        distance: 1.0,
        date,
        carrier: "",
        origin: "a",
        dest: "b",
    };
    assert_eq!(
        (
            flight.day_of_month(),
            flight.day_of_week(),
            flight.day_of_year()
        ),
        (1, 7, 335)
    );
}
