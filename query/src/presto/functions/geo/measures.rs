//! Sizes, distances and shapes that follow from a shape.

use arrow::array::ArrayRef;
use datafusion::error::Result;
use geo::line_measures::{Distance as _, Euclidean, InterpolatableLine as _, Length as _};
use geo::{
    Area as _, BoundingRect as _, Buffer as _, Centroid as _, ConvexHull as _, Geometry,
    HasDimensions as _, LineLocatePoint as _, MultiPolygon, Point, Simplify as _,
};

use super::shape::Shape;
use super::{of_shape, of_shapes, sphere, text_of, to_shape};
use crate::presto::functions::call::{Call, Double, Memo, Text, failure, invalid};
use crate::presto::functions::kinds::Kind;

fn is_spherical(call: &Call) -> bool {
    call.fields
        .first()
        .is_some_and(|field| Kind::of(field) == Kind::SphericalGeography)
}

pub(super) fn area(call: &Call) -> Result<ArrayRef> {
    if is_spherical(call) {
        return of_shape::<f64>(call, |shape| sphere::area(shape).map(Some));
    }
    of_shape::<f64>(call, |shape| {
        Ok(Some(
            shape
                .0
                .as_ref()
                .map_or(0.0, |geometry| geometry.unsigned_area()),
        ))
    })
}

pub(super) fn length(call: &Call) -> Result<ArrayRef> {
    if is_spherical(call) {
        return of_shape::<f64>(call, |shape| sphere::length(shape).map(Some));
    }
    of_shape::<f64>(call, |shape| {
        shape.require("ST_Length", &["LINE_STRING", "MULTI_LINE_STRING"])?;
        Ok(match &shape.0 {
            Some(Geometry::LineString(line)) => Some(Euclidean.length(line)),
            Some(Geometry::MultiLineString(lines)) => Some(Euclidean.length(lines)),
            _ => Some(0.0),
        })
    })
}

pub(super) fn distance(call: &Call) -> Result<ArrayRef> {
    if is_spherical(call) {
        return of_shapes::<f64>(call, sphere::distance);
    }
    of_shapes::<f64>(call, |a, b| match (&a.0, &b.0) {
        (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => Ok(Some(Euclidean.distance(a, b))),
        _ => Ok(None),
    })
}

pub(super) fn centroid(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        let centroid = shape.0.as_ref().and_then(|geometry| geometry.centroid());
        Ok(Some(Shape(centroid.map(Geometry::Point))))
    })
}

pub(super) fn envelope(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        let bounds = shape
            .0
            .as_ref()
            .and_then(|geometry| geometry.bounding_rect());
        let Some(bounds) = bounds else {
            return Ok(Some(Shape::from(Geometry::MultiPolygon(
                MultiPolygon::new(vec![]),
            ))));
        };
        let (low, high) = (bounds.min(), bounds.max());
        let ring = vec![
            (low.x, low.y),
            (high.x, low.y),
            (high.x, high.y),
            (low.x, high.y),
            (low.x, low.y),
        ];
        let polygon = geo::Polygon::new(ring.into(), vec![]);
        Ok(Some(Shape::from(Geometry::Polygon(polygon))))
    })
}

pub(super) fn convex_hull(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        let Some(geometry) = &shape.0 else {
            return Ok(Some(shape.clone()));
        };
        if matches!(geometry, Geometry::Point(_)) {
            return Ok(Some(shape.clone()));
        }
        Ok(Some(Shape::from(Geometry::Polygon(geometry.convex_hull()))))
    })
}

/// `ST_Buffer(geometry, distance)`.
pub(super) fn buffer(call: &Call) -> Result<ArrayRef> {
    let mut shapes = Memo::new();
    call.map2::<Text, Double, String>(|text, distance| {
        if distance.is_nan() {
            return Err(invalid("distance is NaN"));
        }
        if distance < 0.0 {
            return Err(invalid("distance is negative"));
        }
        let shape: &Shape = shapes.get(text, Shape::parse)?;
        if distance == 0.0 {
            return Ok(Some(text_of(shape)));
        }
        let mut areas = shape.geometry()?.buffer(distance);
        let geometry = match areas.0.len() {
            1 => areas.0.pop().map(Geometry::Polygon),
            _ => None,
        };
        let geometry = geometry.unwrap_or(Geometry::MultiPolygon(areas));
        Ok(Some(text_of(&Shape::from(geometry))))
    })
}

/// `simplify_geometry(geometry, tolerance)`: by Ramer, Douglas and Peucker.
pub(super) fn simplify_geometry(call: &Call) -> Result<ArrayRef> {
    let mut shapes = Memo::new();
    call.map2::<Text, Double, String>(|text, tolerance| {
        if tolerance.is_nan() {
            return Err(invalid("distanceTolerance is NaN"));
        }
        if tolerance < 0.0 {
            return Err(invalid("distanceTolerance is negative"));
        }
        let shape: &Shape = shapes.get(text, Shape::parse)?;
        let simple = match &shape.0 {
            Some(Geometry::LineString(line)) => Geometry::LineString(line.simplify(tolerance)),
            Some(Geometry::MultiLineString(lines)) => {
                Geometry::MultiLineString(lines.simplify(tolerance))
            }
            Some(Geometry::Polygon(polygon)) => Geometry::Polygon(polygon.simplify(tolerance)),
            Some(Geometry::MultiPolygon(polygons)) => {
                Geometry::MultiPolygon(polygons.simplify(tolerance))
            }
            _ => return Ok(Some(text_of(shape))),
        };
        Ok(Some(text_of(&Shape::from(simple))))
    })
}

/// `line_locate_point(line, point)`: how far along the line, from 0 to 1.
pub(super) fn line_locate_point(call: &Call) -> Result<ArrayRef> {
    of_shapes::<f64>(call, |line, point| match (&line.0, &point.0) {
        (Some(Geometry::LineString(line)), Some(Geometry::Point(point))) => {
            Ok(line.line_locate_point(point))
        }
        (_, None) => Ok(None),
        (_, Some(Geometry::Point(_))) => Err(invalid(format!(
            "First argument to line_locate_point must be a LineString. Got: {}",
            line.type_name()
        ))),
        _ => Err(invalid(format!(
            "Second argument to line_locate_point must be a Point. Got: {}",
            point.type_name()
        ))),
    })
}

/// `line_interpolate_point(line, fraction)`.
pub(super) fn line_interpolate_point(call: &Call) -> Result<ArrayRef> {
    let mut shapes = Memo::new();
    call.map2::<Text, Double, String>(|text, fraction| {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(invalid(
                "line_interpolate_point: Fraction must be between 0 and 1",
            ));
        }
        let shape: &Shape = shapes.get(text, Shape::parse)?;
        shape.require("line_interpolate_point", &["LINE_STRING"])?;
        let Some(Geometry::LineString(line)) = &shape.0 else {
            return Err(failure("NOT_SUPPORTED", "not a line"));
        };
        let point: Option<Point<f64>> = line.point_at_ratio_from_start(&Euclidean, fraction);
        Ok(point.map(|point| text_of(&Shape::from(Geometry::Point(point)))))
    })
}
