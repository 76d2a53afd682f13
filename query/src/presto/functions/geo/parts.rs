//! What a geometry is made of.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int8Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use geo::{
    BoundingRect as _, CoordsIter as _, Geometry, HasDimensions as _, LineString, MultiLineString,
    Point, Polygon, Rect, Validation as _, dimensions::Dimensions,
};

use super::shape::Shape;
use super::{of_shape, text_of, to_shape};
use crate::presto::functions::call::{Call, Int, Memo, Text};

pub(super) fn as_text(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| Ok(Some(shape.clone())))
}

/// `ST_AsBinary(geometry)`: well-known binary, little-endian.
pub(super) fn as_binary(call: &Call) -> Result<ArrayRef> {
    of_shape::<Vec<u8>>(call, |shape| {
        let mut out = Vec::new();
        match &shape.0 {
            Some(geometry) => write_binary(geometry, &mut out),
            None => write_binary(&Geometry::Point(Point::new(f64::NAN, f64::NAN)), &mut out),
        }
        Ok(Some(out))
    })
}

fn header(code: u32, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(&code.to_le_bytes());
}

fn count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn coordinates(line: &LineString<f64>, out: &mut Vec<u8>) {
    count(line.0.len(), out);
    for at in line.coords() {
        out.extend_from_slice(&at.x.to_le_bytes());
        out.extend_from_slice(&at.y.to_le_bytes());
    }
}

fn write_binary(geometry: &Geometry<f64>, out: &mut Vec<u8>) {
    match geometry {
        Geometry::Point(point) => {
            header(1, out);
            out.extend_from_slice(&point.x().to_le_bytes());
            out.extend_from_slice(&point.y().to_le_bytes());
        }
        Geometry::LineString(line) => {
            header(2, out);
            coordinates(line, out);
        }
        Geometry::Line(line) => write_binary(&Geometry::LineString(line.into()), out),
        Geometry::Polygon(polygon) => {
            header(3, out);
            count(polygon.interiors().len() + 1, out);
            coordinates(polygon.exterior(), out);
            for ring in polygon.interiors() {
                coordinates(ring, out);
            }
        }
        Geometry::Rect(rectangle) => {
            write_binary(&Geometry::Polygon(rectangle.to_polygon()), out);
        }
        Geometry::Triangle(triangle) => {
            write_binary(&Geometry::Polygon(triangle.to_polygon()), out);
        }
        Geometry::MultiPoint(points) => {
            header(4, out);
            count(points.0.len(), out);
            for point in points {
                write_binary(&Geometry::Point(*point), out);
            }
        }
        Geometry::MultiLineString(lines) => {
            header(5, out);
            count(lines.0.len(), out);
            for line in lines {
                write_binary(&Geometry::LineString(line.clone()), out);
            }
        }
        Geometry::MultiPolygon(polygons) => {
            header(6, out);
            count(polygons.0.len(), out);
            for polygon in polygons {
                write_binary(&Geometry::Polygon(polygon.clone()), out);
            }
        }
        Geometry::GeometryCollection(geometries) => {
            header(7, out);
            count(geometries.0.len(), out);
            for geometry in geometries {
                write_binary(geometry, out);
            }
        }
    }
}

fn coordinate(call: &Call, function: &str, of: fn(&Point<f64>) -> f64) -> Result<ArrayRef> {
    of_shape::<f64>(call, |shape| {
        shape.require(function, &["POINT"])?;
        Ok(match &shape.0 {
            Some(Geometry::Point(point)) => Some(of(point)),
            _ => None,
        })
    })
}

pub(super) fn x(call: &Call) -> Result<ArrayRef> {
    coordinate(call, "ST_X", |point| point.x())
}

pub(super) fn y(call: &Call) -> Result<ArrayRef> {
    coordinate(call, "ST_Y", |point| point.y())
}

pub(super) fn bound(call: &Call, of: fn(&Rect<f64>) -> f64) -> Result<ArrayRef> {
    of_shape::<f64>(call, |shape| {
        let bounds = shape
            .0
            .as_ref()
            .and_then(|geometry| geometry.bounding_rect());
        Ok(bounds.as_ref().map(of))
    })
}

/// The points of a geometry; a ring's end is its start.
pub(super) fn num_points(call: &Call) -> Result<ArrayRef> {
    of_shape::<i64>(call, |shape| {
        let points = shape.0.as_ref().map_or(0, points_of);
        Ok(i64::try_from(points).ok())
    })
}

fn points_of(geometry: &Geometry<f64>) -> usize {
    let ring = |ring: &LineString<f64>| ring.0.len().saturating_sub(1);
    let polygon = |polygon: &Polygon<f64>| {
        ring(polygon.exterior()) + polygon.interiors().iter().map(ring).sum::<usize>()
    };
    match geometry {
        Geometry::Polygon(only) => polygon(only),
        Geometry::MultiPolygon(polygons) => polygons.iter().map(polygon).sum(),
        Geometry::GeometryCollection(geometries) => geometries.iter().map(points_of).sum(),
        other => other.coords_count(),
    }
}

/// Returns the members of a collection; another geometry is its own only member.
fn geometries(shape: &Shape) -> Vec<Geometry<f64>> {
    match &shape.0 {
        None => Vec::new(),
        Some(Geometry::MultiPoint(points)) => points.iter().map(|p| Geometry::Point(*p)).collect(),
        Some(Geometry::MultiLineString(lines)) => {
            lines.iter().cloned().map(Geometry::LineString).collect()
        }
        Some(Geometry::MultiPolygon(polygons)) => {
            polygons.iter().cloned().map(Geometry::Polygon).collect()
        }
        Some(Geometry::GeometryCollection(list)) => list.0.clone(),
        Some(other) if other.is_empty() => Vec::new(),
        Some(other) => vec![other.clone()],
    }
}

pub(super) fn num_geometries(call: &Call) -> Result<ArrayRef> {
    of_shape::<i32>(
        call,
        |shape| Ok(i32::try_from(geometries(shape).len()).ok()),
    )
}

/// Makes a shape of the first argument and a number that counts from one.
fn nth(call: &Call, f: fn(&Shape, usize) -> Result<Option<Shape>>) -> Result<ArrayRef> {
    let mut shapes = Memo::new();
    call.map2::<Text, Int, String>(|text, number| {
        let shape = shapes.get(text, Shape::parse)?;
        let Some(at) = number
            .checked_sub(1)
            .and_then(|at| usize::try_from(at).ok())
        else {
            return Ok(None);
        };
        Ok(f(shape, at)?.as_ref().map(text_of))
    })
}

pub(super) fn geometry_n(call: &Call) -> Result<ArrayRef> {
    nth(call, |shape, at| {
        Ok(geometries(shape).into_iter().nth(at).map(Shape::from))
    })
}

fn line<'a>(shape: &'a Shape, function: &str) -> Result<Option<&'a LineString<f64>>> {
    shape.require(function, &["LINE_STRING"])?;
    Ok(match &shape.0 {
        Some(Geometry::LineString(line)) => Some(line),
        _ => None,
    })
}

fn at(coordinate: Option<&geo::Coord<f64>>) -> Option<Shape> {
    coordinate.map(|at| Shape::from(Geometry::Point(Point(*at))))
}

pub(super) fn point_n(call: &Call) -> Result<ArrayRef> {
    nth(call, |shape, number| {
        Ok(at(
            line(shape, "ST_PointN")?.and_then(|line| line.0.get(number))
        ))
    })
}

pub(super) fn start_point(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        Ok(at(
            line(shape, "ST_StartPoint")?.and_then(|line| line.0.first())
        ))
    })
}

pub(super) fn end_point(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        Ok(at(
            line(shape, "ST_EndPoint")?.and_then(|line| line.0.last())
        ))
    })
}

fn polygon<'a>(shape: &'a Shape, function: &str) -> Result<Option<&'a Polygon<f64>>> {
    shape.require(function, &["POLYGON"])?;
    Ok(match &shape.0 {
        Some(Geometry::Polygon(polygon)) => Some(polygon),
        _ => None,
    })
}

pub(super) fn exterior_ring(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        let polygon = polygon(shape, "ST_ExteriorRing")?;
        Ok(polygon.map(|polygon| Shape::from(Geometry::LineString(polygon.exterior().clone()))))
    })
}

pub(super) fn interior_ring_n(call: &Call) -> Result<ArrayRef> {
    nth(call, |shape, number| {
        let ring = polygon(shape, "ST_InteriorRingN")?.and_then(|p| p.interiors().get(number));
        Ok(ring.map(|ring| Shape::from(Geometry::LineString(ring.clone()))))
    })
}

pub(super) fn num_interior_ring(call: &Call) -> Result<ArrayRef> {
    of_shape::<i64>(call, |shape| {
        let polygon = polygon(shape, "ST_NumInteriorRing")?;
        Ok(polygon.and_then(|polygon| i64::try_from(polygon.interiors().len()).ok()))
    })
}

pub(super) fn boundary(call: &Call) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        let rings = |polygon: &Polygon<f64>| {
            let mut rings = vec![polygon.exterior().clone()];
            rings.extend(polygon.interiors().iter().cloned());
            rings
        };
        let lines = match &shape.0 {
            Some(Geometry::Polygon(polygon)) => rings(polygon),
            Some(Geometry::MultiPolygon(polygons)) => polygons.iter().flat_map(rings).collect(),
            Some(Geometry::LineString(line)) if !line.is_closed() => {
                let ends = line.0.first().into_iter().chain(line.0.last());
                let ends: Vec<Point<f64>> = ends.map(|at| Point(*at)).collect();
                return Ok(Some(Shape::from(Geometry::MultiPoint(ends.into()))));
            }
            _ => {
                return Ok(Some(Shape::from(Geometry::MultiPoint(
                    Vec::<Point>::new().into(),
                ))));
            }
        };
        Ok(Some(Shape::from(Geometry::MultiLineString(
            MultiLineString::new(lines),
        ))))
    })
}

pub(super) fn geometry_type(call: &Call) -> Result<ArrayRef> {
    of_shape::<String>(call, |shape| {
        let name = match shape.type_name() {
            "POINT" => "ST_Point",
            "LINE_STRING" => "ST_LineString",
            "MULTI_POINT" => "ST_MultiPoint",
            "MULTI_LINE_STRING" => "ST_MultiLineString",
            "MULTI_POLYGON" => "ST_MultiPolygon",
            "GEOMETRY_COLLECTION" => "ST_GeomCollection",
            _ => "ST_Polygon",
        };
        Ok(Some(name.to_owned()))
    })
}

pub(super) fn is_empty(call: &Call) -> Result<ArrayRef> {
    of_shape::<bool>(call, |shape| {
        Ok(Some(
            shape.0.as_ref().is_none_or(|geometry| geometry.is_empty()),
        ))
    })
}

pub(super) fn is_valid(call: &Call) -> Result<ArrayRef> {
    of_shape::<bool>(call, |shape| {
        Ok(Some(
            shape.0.as_ref().is_none_or(|geometry| geometry.is_valid()),
        ))
    })
}

pub(super) fn is_closed(call: &Call) -> Result<ArrayRef> {
    of_shape::<bool>(call, |shape| {
        shape.require("ST_IsClosed", &["LINE_STRING", "MULTI_LINE_STRING"])?;
        Ok(match &shape.0 {
            Some(Geometry::LineString(line)) => Some(line.is_closed()),
            Some(Geometry::MultiLineString(lines)) => Some(lines.is_closed()),
            _ => None,
        })
    })
}

/// Small numbers are tinyint.
fn tiny(numbers: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(numbers, &DataType::Int8)?)
}

pub(super) fn dimension(call: &Call) -> Result<ArrayRef> {
    tiny(&of_shape::<i64>(call, |shape| {
        let dimensions = shape
            .0
            .as_ref()
            .map_or(Dimensions::ZeroDimensional, |geometry| {
                geometry.dimensions()
            });
        Ok(Some(match dimensions {
            Dimensions::Empty | Dimensions::ZeroDimensional => 0,
            Dimensions::OneDimensional => 1,
            Dimensions::TwoDimensional => 2,
        }))
    })?)
}

pub(super) fn coordinate_dimension(call: &Call) -> Result<ArrayRef> {
    let numbers: Int8Array = (0..call.rows)
        .map(|row| call.get::<Text>(0, row).map(|_| 2))
        .collect();
    Ok(Arc::new(numbers))
}
