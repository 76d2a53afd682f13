//! Geometries as well-known text, which is how columns hold them.

use std::fmt::Write as _;
use std::str::FromStr as _;

use datafusion::error::Result;
use geo::orient::{Direction, Orient as _};
use geo::{Coord, Geometry, LineString, Point, Polygon};
use wkt::Wkt;

use crate::presto::functions::call::{failure, invalid};

/// A geometry; none is a point without a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape(pub(super) Option<Geometry<f64>>);

impl Shape {
    /// Reads well-known text.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = || invalid(format!("Invalid WKT: {text}"));
        let mut words = text.split_whitespace();
        let is_empty_point = words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("POINT"))
            && words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("EMPTY"));
        if is_empty_point {
            return Ok(Self(None));
        }
        let parsed = Wkt::<f64>::from_str(text).map_err(|_| bad())?;
        let geometry = Geometry::try_from(parsed).map_err(|_| bad())?;
        Ok(Self(Some(oriented(geometry))))
    }

    /// Returns the name that messages use.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.0 {
            None | Some(Geometry::Point(_)) => "POINT",
            Some(Geometry::Line(_) | Geometry::LineString(_)) => "LINE_STRING",
            Some(Geometry::MultiPoint(_)) => "MULTI_POINT",
            Some(Geometry::MultiLineString(_)) => "MULTI_LINE_STRING",
            Some(Geometry::MultiPolygon(_)) => "MULTI_POLYGON",
            Some(Geometry::GeometryCollection(_)) => "GEOMETRY_COLLECTION",
            Some(_) => "POLYGON",
        }
    }

    /// Fails if the geometry is of none of these types.
    pub(super) fn require(&self, function: &str, types: &[&str]) -> Result<()> {
        if types.contains(&self.type_name()) {
            return Ok(());
        }
        Err(invalid(format!(
            "{function} only applies to {}. Input type is: {}",
            types.join(" or "),
            self.type_name()
        )))
    }

    /// Returns the geometry, or an error if it is a point without a place.
    pub(super) fn geometry(&self) -> Result<&Geometry<f64>> {
        self.0
            .as_ref()
            .ok_or_else(|| failure("NOT_SUPPORTED", "an empty point is not supported here"))
    }

    /// Writes well-known text.
    pub(super) fn write(&self, out: &mut String) {
        match &self.0 {
            None => out.push_str("POINT EMPTY"),
            Some(geometry) => write_geometry(geometry, out),
        }
    }
}

impl From<Geometry<f64>> for Shape {
    fn from(geometry: Geometry<f64>) -> Self {
        Self(Some(oriented(geometry)))
    }
}

/// Outer rings go counterclockwise, holes clockwise.
fn oriented(geometry: Geometry<f64>) -> Geometry<f64> {
    match geometry {
        Geometry::Polygon(polygon) => polygon.orient(Direction::Default).into(),
        Geometry::MultiPolygon(polygons) => polygons.orient(Direction::Default).into(),
        Geometry::Rect(rectangle) => rectangle.to_polygon().orient(Direction::Default).into(),
        Geometry::Triangle(triangle) => triangle.to_polygon().orient(Direction::Default).into(),
        Geometry::Line(line) => Geometry::LineString(line.into()),
        other => other,
    }
}

fn coordinate(at: Coord<f64>, out: &mut String) {
    let _ = write!(out, "{} {}", at.x, at.y);
}

fn list<T>(items: &[T], out: &mut String, write: fn(&T, &mut String)) {
    if items.is_empty() {
        out.push_str("EMPTY");
        return;
    }
    out.push('(');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
    out.push(')');
}

fn write_line(line: &LineString<f64>, out: &mut String) {
    list(&line.0, out, |at, out| coordinate(*at, out));
}

fn write_polygon(polygon: &Polygon<f64>, out: &mut String) {
    if polygon.exterior().0.is_empty() {
        out.push_str("EMPTY");
        return;
    }
    let rings: Vec<&LineString<f64>> = std::iter::once(polygon.exterior())
        .chain(polygon.interiors())
        .collect();
    list(&rings, out, |ring, out| write_line(ring, out));
}

fn write_point(point: &Point<f64>, out: &mut String) {
    out.push('(');
    coordinate(point.0, out);
    out.push(')');
}

fn write_geometry(geometry: &Geometry<f64>, out: &mut String) {
    match geometry {
        Geometry::Point(point) => {
            out.push_str("POINT ");
            write_point(point, out);
        }
        Geometry::LineString(line) => {
            out.push_str("LINESTRING ");
            write_line(line, out);
        }
        Geometry::Line(line) => {
            out.push_str("LINESTRING ");
            write_line(&LineString::from(line), out);
        }
        Geometry::Polygon(polygon) => {
            out.push_str("POLYGON ");
            write_polygon(polygon, out);
        }
        Geometry::Rect(rectangle) => {
            out.push_str("POLYGON ");
            write_polygon(&rectangle.to_polygon(), out);
        }
        Geometry::Triangle(triangle) => {
            out.push_str("POLYGON ");
            write_polygon(&triangle.to_polygon(), out);
        }
        Geometry::MultiPoint(points) => {
            out.push_str("MULTIPOINT ");
            list(&points.0, out, write_point);
        }
        Geometry::MultiLineString(lines) => {
            out.push_str("MULTILINESTRING ");
            list(&lines.0, out, write_line);
        }
        Geometry::MultiPolygon(polygons) => {
            out.push_str("MULTIPOLYGON ");
            list(&polygons.0, out, write_polygon);
        }
        Geometry::GeometryCollection(geometries) => {
            out.push_str("GEOMETRYCOLLECTION ");
            list(&geometries.0, out, write_geometry);
        }
    }
}
