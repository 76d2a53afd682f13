//! Distances, lengths and areas on the Earth as a sphere.

use arrow::array::ArrayRef;
use datafusion::error::Result;
use geo::{CoordsIter as _, Geometry, LineString, Polygon};

use super::shape::Shape;
use super::to_shape;
use crate::presto::functions::call::{Call, Double, invalid};

pub(super) const RADIUS_KM: f64 = 6371.01;
const RADIUS_M: f64 = 6_371_010.0;

fn check(latitude: f64, longitude: f64) -> Result<()> {
    if !(-90.0..=90.0).contains(&latitude) {
        return Err(invalid("Latitude must be between -90 and 90"));
    }
    if !(-180.0..=180.0).contains(&longitude) {
        return Err(invalid("Longitude must be between -180 and 180"));
    }
    Ok(())
}

/// Returns the distance along the great circle, in kilometres; places are latitude and longitude in degrees.
pub(super) fn great_circle(a: (f64, f64), b: (f64, f64)) -> Result<f64> {
    check(a.0, a.1)?;
    check(b.0, b.1)?;
    let (latitude1, longitude1) = (a.0.to_radians(), a.1.to_radians());
    let (latitude2, longitude2) = (b.0.to_radians(), b.1.to_radians());
    let (sin1, cos1) = latitude1.sin_cos();
    let (sin2, cos2) = latitude2.sin_cos();
    let (sin_delta, cos_delta) = (longitude1 - longitude2).sin_cos();
    let t1 = cos2 * sin_delta;
    let t2 = cos1 * sin2 - sin1 * cos2 * cos_delta;
    let t3 = sin1 * sin2 + cos1 * cos2 * cos_delta;
    Ok((t1 * t1 + t2 * t2).sqrt().atan2(t3) * RADIUS_KM)
}

/// `great_circle_distance(latitude1, longitude1, latitude2, longitude2)` in kilometres.
pub(super) fn great_circle_distance(call: &Call) -> Result<ArrayRef> {
    call.build::<f64>(|row| {
        let (Some(latitude1), Some(longitude1), Some(latitude2), Some(longitude2)) = (
            call.get::<Double>(0, row),
            call.get::<Double>(1, row),
            call.get::<Double>(2, row),
            call.get::<Double>(3, row),
        ) else {
            return Ok(None);
        };
        great_circle((latitude1, longitude1), (latitude2, longitude2)).map(Some)
    })
}

pub(super) fn to_spherical_geography(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        if let Some(geometry) = &shape.0 {
            for at in geometry.coords_iter() {
                check(at.y, at.x)?;
            }
        }
        Ok(Some(shape.clone()))
    })
}

/// Metres between two points.
pub(super) fn distance(a: &Shape, b: &Shape) -> Result<Option<f64>> {
    a.require("ST_Distance", &["POINT"])?;
    b.require("ST_Distance", &["POINT"])?;
    match (&a.0, &b.0) {
        (Some(Geometry::Point(a)), Some(Geometry::Point(b))) => {
            let kilometres = great_circle((a.y(), a.x()), (b.y(), b.x()))?;
            Ok(Some(kilometres * 1_000.0))
        }
        _ => Ok(None),
    }
}

fn line_length(line: &LineString<f64>) -> Result<f64> {
    let each = line
        .lines()
        .map(|line| great_circle((line.start.y, line.start.x), (line.end.y, line.end.x)));
    let kilometres: Result<f64> = each.sum();
    Ok(kilometres? * 1_000.0)
}

/// Metres along a line.
pub(super) fn length(shape: &Shape) -> Result<f64> {
    shape.require("ST_Length", &["LINE_STRING", "MULTI_LINE_STRING"])?;
    match &shape.0 {
        Some(Geometry::LineString(line)) => line_length(line),
        Some(Geometry::MultiLineString(lines)) => lines.iter().map(line_length).sum(),
        _ => Ok(0.0),
    }
}

/// Square metres.
pub(super) fn area(shape: &Shape) -> Result<f64> {
    shape.require("ST_Area", &["POLYGON", "MULTI_POLYGON"])?;
    Ok(match &shape.0 {
        Some(Geometry::Polygon(polygon)) => polygon_area(polygon),
        Some(Geometry::MultiPolygon(polygons)) => polygons.iter().map(polygon_area).sum(),
        _ => 0.0,
    })
}

fn polygon_area(polygon: &Polygon<f64>) -> f64 {
    let outer = excess(polygon.exterior()).abs();
    let holes: f64 = polygon
        .interiors()
        .iter()
        .map(|ring| excess(ring).abs())
        .sum();
    (outer - holes).abs() * RADIUS_M * RADIUS_M
}

/// The spherical excess of a ring: each edge with the pole, as half angles.
fn excess(ring: &LineString<f64>) -> f64 {
    ring.lines()
        .map(|line| {
            let tan1 = (line.start.y.to_radians() / 2.0).tan();
            let tan2 = (line.end.y.to_radians() / 2.0).tan();
            let half = ((line.end.x - line.start.x).to_radians() / 2.0).tan();
            2.0 * (half * (tan1 + tan2)).atan2(1.0 + tan1 * tan2)
        })
        .sum()
}
