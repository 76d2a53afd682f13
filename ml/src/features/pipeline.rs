//! The fitted pipeline: standardised numbers, hinges of the departure delay, one-hot categories.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_preprocessing::linear_scaling::LinearScaler;
use ndarray::{Array2, ArrayViewMut1};
use serde::{Deserialize, Serialize};

use super::{Flight, Vocabulary};
use crate::artifact::exact_floats;
use crate::{Error, Result};

/// A late departure beyond this says nothing more about the bucket; without the limit a few extreme rows
/// would decide the scale.
const DEP_DELAY_RANGE: (f64, f64) = (-30.0, 120.0);

/// Where the effect of the departure delay may bend, in minutes.
const DEP_DELAY_KNOTS: [f64; 11] = [
    -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 70.0,
];

/// `DepDelay`, its hinges, `Distance` twice, `DayOfMonth`, and `DayOfYear` as a point on the circle.
const NUMBERS: usize = 1 + DEP_DELAY_KNOTS.len() + 2 + 1 + 2;

/// Origin and destination say nearly all a rare route could; the limits keep the dense matrix small.
const MAX_DESTINATIONS: usize = 100;
const MAX_ROUTES: usize = 40;

/// Turns flights into rows of numbers, always in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeaturePipeline {
    #[serde(with = "exact_floats")]
    offsets: Vec<f64>,
    #[serde(with = "exact_floats")]
    scales: Vec<f64>,
    carriers: Vocabulary,
    origins: Vocabulary,
    destinations: Vocabulary,
    routes: Vocabulary,
}

impl FeaturePipeline {
    /// Learns vocabularies and scales from `flights`.
    ///
    /// # Errors
    /// There are no flights.
    pub fn fit(flights: &[Flight<'_>]) -> Result<Self> {
        let mut numbers = Array2::zeros((flights.len(), NUMBERS));
        for (mut row, flight) in numbers.rows_mut().into_iter().zip(flights) {
            row.iter_mut()
                .zip(raw_numbers(flight))
                .for_each(|(cell, value)| *cell = value);
        }
        let scaler = LinearScaler::standard()
            .fit(&DatasetBase::from(numbers))
            .map_err(|error| Error::NotEnoughData {
                reason: error.to_string(),
            })?;
        Ok(Self {
            offsets: scaler.offsets().to_vec(),
            scales: scaler.scales().to_vec(),
            carriers: Vocabulary::fit(flights.iter().map(|flight| flight.carrier), usize::MAX),
            origins: Vocabulary::fit(flights.iter().map(|flight| flight.origin), usize::MAX),
            destinations: Vocabulary::fit(
                flights.iter().map(|flight| flight.dest),
                MAX_DESTINATIONS,
            ),
            routes: Vocabulary::fit(flights.iter().map(Flight::route), MAX_ROUTES),
        })
    }

    /// Returns the number of columns of an encoded row.
    pub fn width(&self) -> usize {
        self.one_hot_widths().iter().sum::<usize>() + NUMBERS
    }

    /// Returns the name of every column, in order.
    pub fn layout(&self) -> Vec<String> {
        let mut names = vec!["DepDelay".to_owned()];
        names.extend(
            DEP_DELAY_KNOTS
                .iter()
                .map(|knot| format!("DepDelay>{knot}")),
        );
        let numbers = [
            "Distance",
            "sqrt(Distance)",
            "DayOfMonth",
            "sin(DayOfYear)",
            "cos(DayOfYear)",
        ];
        names.extend(numbers.map(str::to_owned));
        names.extend((1..=7).map(|day| format!("DayOfWeek={day}")));
        let categories = [
            ("Carrier", &self.carriers),
            ("Origin", &self.origins),
            ("Dest", &self.destinations),
            ("Route", &self.routes),
        ];
        for (feature, vocabulary) in categories {
            names.extend(
                vocabulary
                    .values()
                    .iter()
                    .map(|value| format!("{feature}={value}")),
            );
            names.push(format!("{feature}=other"));
        }
        names
    }

    /// Encodes one flight.
    pub fn encode(&self, flight: &Flight<'_>) -> Vec<f64> {
        let mut row = vec![0.0; self.width()];
        self.encode_into(flight, ArrayViewMut1::from(row.as_mut_slice()));
        row
    }

    /// Encodes a batch, one row per flight.
    pub fn encode_batch(&self, flights: &[Flight<'_>]) -> Array2<f64> {
        let mut rows = Array2::zeros((flights.len(), self.width()));
        for (row, flight) in rows.rows_mut().into_iter().zip(flights) {
            self.encode_into(flight, row);
        }
        rows
    }

    /// Writes the encoding of `flight` into a row of zeros.
    fn encode_into(&self, flight: &Flight<'_>, mut row: ArrayViewMut1<'_, f64>) {
        let scaling = self.offsets.iter().zip(&self.scales);
        for ((cell, value), (offset, scale)) in row.iter_mut().zip(raw_numbers(flight)).zip(scaling)
        {
            *cell = (value - offset) * scale;
        }
        let positions = [
            flight.day_of_week() as usize - 1,
            self.carriers.position(flight.carrier),
            self.origins.position(flight.origin),
            self.destinations.position(flight.dest),
            self.routes.position(&flight.route()),
        ];
        let mut start = NUMBERS;
        for (position, width) in positions.into_iter().zip(self.one_hot_widths()) {
            if let Some(cell) = row.get_mut(start + position) {
                *cell = 1.0;
            }
            start += width;
        }
    }

    fn one_hot_widths(&self) -> [usize; 5] {
        [
            7,
            self.carriers.width(),
            self.origins.width(),
            self.destinations.width(),
            self.routes.width(),
        ]
    }
}

fn raw_numbers(flight: &Flight<'_>) -> [f64; NUMBERS] {
    let (low, high) = DEP_DELAY_RANGE;
    let dep_delay = flight.dep_delay.clamp(low, high);
    let angle = f64::from(flight.day_of_year()) / 365.25 * std::f64::consts::TAU;
    let mut numbers = [0.0; NUMBERS];
    let hinges = DEP_DELAY_KNOTS
        .iter()
        .map(|knot| (dep_delay - knot).max(0.0));
    let rest = [
        flight.distance,
        flight.distance.max(0.0).sqrt(),
        f64::from(flight.day_of_month()),
        angle.sin(),
        angle.cos(),
    ];
    let values = std::iter::once(dep_delay).chain(hinges).chain(rest);
    numbers
        .iter_mut()
        .zip(values)
        .for_each(|(cell, value)| *cell = value);
    numbers
}
