//! Distance over the globe.

const EARTH_RADIUS_MILES: f64 = 3958.8;

/// A place in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    /// Degrees north.
    pub(super) latitude: f64,
    /// Degrees east.
    pub(super) longitude: f64,
}

/// Returns the great-circle distance by the haversine formula.
///
/// # Units
/// Statute miles.
pub(super) fn great_circle_miles(from: Position, to: Position) -> f64 {
    let (from_latitude, to_latitude) = (from.latitude.to_radians(), to.latitude.to_radians());
    let latitude = (to_latitude - from_latitude) / 2.0;
    let longitude = (to.longitude - from.longitude).to_radians() / 2.0;
    let haversine =
        latitude.sin().powi(2) + from_latitude.cos() * to_latitude.cos() * longitude.sin().powi(2);
    2.0 * EARTH_RADIUS_MILES * haversine.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_york_to_los_angeles_is_what_the_flights_say() {
        let jfk = Position {
            latitude: 40.639_751,
            longitude: -73.778_925,
        };
        let lax = Position {
            latitude: 33.942_536,
            longitude: -118.408_075,
        };
        let miles = great_circle_miles(jfk, lax);
        assert!((miles - 2475.0).abs() < 10.0, "{miles}");
        assert!((miles - great_circle_miles(lax, jfk)).abs() < 1e-9);
        assert!(great_circle_miles(jfk, jfk).abs() < 1e-9);
    }
}
