//! How two geometries lie to each other, and what they make together.

use arrow::array::ArrayRef;
use datafusion::error::Result;
use geo::relate::IntersectionMatrix;
use geo::{BooleanOps as _, Geometry, MultiPolygon, Relate as _};

use super::shape::Shape;
use super::{of_shapes, text_of};
use crate::presto::functions::call::{Call, Memo, Text, failure, invalid};

fn test(call: &Call, holds: fn(&IntersectionMatrix) -> bool) -> Result<ArrayRef> {
    of_shapes::<bool>(call, |a, b| Ok(Some(holds(&matrix(a, b)?))))
}

fn matrix(a: &Shape, b: &Shape) -> Result<IntersectionMatrix> {
    Ok(a.geometry()?.relate(b.geometry()?))
}

pub(super) fn contains(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_contains)
}

pub(super) fn within(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_within)
}

pub(super) fn intersects(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_intersects)
}

pub(super) fn disjoint(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_disjoint)
}

pub(super) fn touches(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_touches)
}

pub(super) fn crosses(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_crosses)
}

pub(super) fn overlaps(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_overlaps)
}

pub(super) fn equals(call: &Call) -> Result<ArrayRef> {
    test(call, IntersectionMatrix::is_equal_topo)
}

/// `ST_Relate(a, b, pattern)`: by the nine intersections.
pub(super) fn relate(call: &Call) -> Result<ArrayRef> {
    let (mut left, mut right) = (Memo::new(), Memo::new());
    call.map3::<Text, Text, Text, bool>(|a, b, pattern| {
        let (a, b) = (left.get(a, Shape::parse)?, right.get(b, Shape::parse)?);
        let holds = matrix(a, b)?.matches(pattern);
        holds.map(Some).map_err(|error| invalid(error.to_string()))
    })
}

/// Returns the areas of a geometry; what has none is not supported.
fn areas(shape: &Shape, function: &str) -> Result<MultiPolygon<f64>> {
    match shape.geometry()? {
        Geometry::Polygon(polygon) => Ok(MultiPolygon::new(vec![polygon.clone()])),
        Geometry::MultiPolygon(polygons) => Ok(polygons.clone()),
        _ => Err(failure(
            "NOT_SUPPORTED",
            format!("{function} of {} is not supported", shape.type_name()),
        )),
    }
}

fn combine(
    call: &Call,
    function: &str,
    f: fn(&MultiPolygon<f64>, &MultiPolygon<f64>) -> MultiPolygon<f64>,
) -> Result<ArrayRef> {
    of_shapes::<String>(call, |a, b| {
        let mut result = f(&areas(a, function)?, &areas(b, function)?);
        let geometry = match result.0.len() {
            1 => result.0.pop().map(Geometry::Polygon),
            _ => None,
        };
        let geometry = geometry.unwrap_or(Geometry::MultiPolygon(result));
        Ok(Some(text_of(&Shape::from(geometry))))
    })
}

pub(super) fn union(call: &Call) -> Result<ArrayRef> {
    combine(call, "ST_Union", |a, b| a.union(b))
}

pub(super) fn intersection(call: &Call) -> Result<ArrayRef> {
    combine(call, "ST_Intersection", |a, b| a.intersection(b))
}

pub(super) fn difference(call: &Call) -> Result<ArrayRef> {
    combine(call, "ST_Difference", |a, b| a.difference(b))
}

pub(super) fn symmetric_difference(call: &Call) -> Result<ArrayRef> {
    combine(call, "ST_SymDifference", |a, b| a.xor(b))
}
