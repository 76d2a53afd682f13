//! GeoJSON.
//!
//! # Source
//! RFC 7946.

use std::fmt::Write as _;

use arrow::array::ArrayRef;
use datafusion::error::Result;
use geo::{
    Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon,
    Point, Polygon,
};
use serde_json::Value;

use super::shape::Shape;
use super::{of_shape, text_of};
use crate::presto::functions::call::{Call, Text, invalid};

pub(super) fn from_geojson_geometry(call: &Call) -> Result<ArrayRef> {
    call.map1::<Text, String>(|text| {
        let bad = || invalid(format!("Invalid GeoJSON: {text}"));
        let json: Value = serde_json::from_str(text).map_err(|_| bad())?;
        let geometry = geometry(&json).ok_or_else(bad)?;
        Ok(Some(text_of(&Shape::from(geometry))))
    })
}

fn coord(json: &Value) -> Option<Coord<f64>> {
    let numbers = json.as_array()?;
    Some(Coord {
        x: numbers.first()?.as_f64()?,
        y: numbers.get(1)?.as_f64()?,
    })
}

fn line(json: &Value) -> Option<LineString<f64>> {
    let coords: Option<Vec<Coord<f64>>> = json.as_array()?.iter().map(coord).collect();
    coords.map(LineString::new)
}

fn polygon(json: &Value) -> Option<Polygon<f64>> {
    let rings: Option<Vec<LineString<f64>>> = json.as_array()?.iter().map(line).collect();
    let mut rings = rings?.into_iter();
    Some(Polygon::new(rings.next()?, rings.collect()))
}

fn geometry(json: &Value) -> Option<Geometry<f64>> {
    let coordinates = json.get("coordinates");
    Some(match json.get("type")?.as_str()? {
        "Point" => Geometry::Point(Point(coord(coordinates?)?)),
        "LineString" => Geometry::LineString(line(coordinates?)?),
        "Polygon" => Geometry::Polygon(polygon(coordinates?)?),
        "MultiPoint" => {
            let points: Option<Vec<Point<f64>>> = coordinates?
                .as_array()?
                .iter()
                .map(|json| coord(json).map(Point))
                .collect();
            Geometry::MultiPoint(MultiPoint::new(points?))
        }
        "MultiLineString" => {
            let lines: Option<Vec<_>> = coordinates?.as_array()?.iter().map(line).collect();
            Geometry::MultiLineString(MultiLineString::new(lines?))
        }
        "MultiPolygon" => {
            let polygons: Option<Vec<_>> = coordinates?.as_array()?.iter().map(polygon).collect();
            Geometry::MultiPolygon(MultiPolygon::new(polygons?))
        }
        "GeometryCollection" => {
            let list: Option<Vec<_>> = json
                .get("geometries")?
                .as_array()?
                .iter()
                .map(geometry)
                .collect();
            Geometry::GeometryCollection(GeometryCollection::from(list?))
        }
        _ => return None,
    })
}

/// What Trino writes behind the coordinates.
const REFERENCE: &str = ",\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"EPSG:0\"}}}";

pub(super) fn to_geojson_geometry(call: &Call) -> Result<ArrayRef> {
    of_shape::<String>(call, |shape| {
        let Some(geometry) = &shape.0 else {
            let empty = format!("{{\"type\":\"Point\",\"coordinates\":[]{REFERENCE}");
            return Ok(Some(empty));
        };
        let mut out = String::new();
        write(geometry, &mut out);
        out.push_str(REFERENCE);
        Ok(Some(out))
    })
}

fn list<T>(items: &[T], out: &mut String, write: fn(&T, &mut String)) {
    out.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

fn write_coord(at: &Coord<f64>, out: &mut String) {
    let _ = write!(out, "[{},{}]", at.x, at.y);
}

fn write_line(line: &LineString<f64>, out: &mut String) {
    list(&line.0, out, write_coord);
}

fn write_polygon(polygon: &Polygon<f64>, out: &mut String) {
    let rings: Vec<&LineString<f64>> = std::iter::once(polygon.exterior())
        .chain(polygon.interiors())
        .collect();
    list(&rings, out, |ring, out| write_line(ring, out));
}

/// Writes a geometry without its last brace.
fn write(geometry: &Geometry<f64>, out: &mut String) {
    let mut start = |kind: &str| {
        let _ = write!(out, "{{\"type\":\"{kind}\",\"coordinates\":");
    };
    match geometry {
        Geometry::Point(point) => {
            start("Point");
            write_coord(&point.0, out);
        }
        Geometry::LineString(line) => {
            start("LineString");
            write_line(line, out);
        }
        Geometry::Line(line) => write(&Geometry::LineString(line.into()), out),
        Geometry::Polygon(polygon) => {
            start("Polygon");
            write_polygon(polygon, out);
        }
        Geometry::Rect(rectangle) => write(&Geometry::Polygon(rectangle.to_polygon()), out),
        Geometry::Triangle(triangle) => write(&Geometry::Polygon(triangle.to_polygon()), out),
        Geometry::MultiPoint(points) => {
            start("MultiPoint");
            list(&points.0, out, |point, out| write_coord(&point.0, out));
        }
        Geometry::MultiLineString(lines) => {
            start("MultiLineString");
            list(&lines.0, out, write_line);
        }
        Geometry::MultiPolygon(polygons) => {
            start("MultiPolygon");
            list(&polygons.0, out, write_polygon);
        }
        Geometry::GeometryCollection(geometries) => {
            out.push_str("{\"type\":\"GeometryCollection\",\"geometries\":");
            list(&geometries.0, out, |geometry, out| {
                write(geometry, out);
                out.push('}');
            });
        }
    }
}
